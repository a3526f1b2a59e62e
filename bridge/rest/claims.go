package rest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"akash-provider-web/bridge/provider"
)

// tokenScopes are the scopes of AEP-64 that providers know; the last was added in v0.15.0.
// A provider refuses a token with a scope that it does not know.
var tokenScopes = []string{
	"send-manifest", "get-manifest", "logs", "shell", "events", "status", "restart",
	"hostname-migrate", "ip-migrate", "attestation",
}

// claims are the claims of a token (AEP-64), unverified, with the types that providers
// decode them into (proto/akash-provider-api.md, section 3.2). They explain a refusal.
type claims struct {
	Issuer    string       `json:"iss"`
	IssuedAt  *json.Number `json:"iat"`
	NotBefore *json.Number `json:"nbf"`
	Expires   *json.Number `json:"exp"`
	Version   string       `json:"version"`
	Leases    struct {
		Access      string            `json:"access"`
		Scope       []string          `json:"scope"`
		Permissions []tokenPermission `json:"permissions"`
	} `json:"leases"`
}

type tokenPermission struct {
	Provider    string            `json:"provider"`
	Access      string            `json:"access"`
	Scope       []string          `json:"scope"`
	Deployments []tokenDeployment `json:"deployments"`
}

type tokenDeployment struct {
	DSeq     uint64   `json:"dseq"`
	GSeq     uint32   `json:"gseq"`
	OSeq     uint32   `json:"oseq"`
	Scope    []string `json:"scope"`
	Services []string `json:"services"`
}

// readPayload returns the JSON of the claims of "Bearer <token>", or nil.
func readPayload(authorization string) []byte {
	scheme, token, _ := strings.Cut(authorization, " ")
	parts := strings.Split(strings.TrimSpace(token), ".")
	if !strings.EqualFold(scheme, "Bearer") || len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	return payload
}

// readClaims decodes claims as far as possible; nil if they are not an object. It describes
// the first claim that providers refuse, with what they expect, or returns "".
func readClaims(payload []byte) (c *claims, problem string) {
	c = new(claims)
	var mismatch *json.UnmarshalTypeError
	switch err := json.Unmarshal(payload, c); {
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return c, fmt.Sprintf("its claim %s is a JSON %s and must be %s", mismatch.Field, mismatch.Value, wanted(mismatch.Type))
	case errors.As(err, &mismatch):
		return c, "its claims are not a JSON object"
	case err != nil:
		return nil, "its claims are not a JSON object"
	}
	return c, c.problem()
}

// problem describes the first claim that providers refuse.
func (c *claims) problem() string {
	const date = ", a date in seconds"
	leases := c.Leases
	switch {
	case c.IssuedAt == nil:
		return "it lacks the claim iat" + date
	case c.NotBefore == nil:
		return "it lacks the claim nbf" + date
	case c.Expires == nil:
		return "it lacks the claim exp" + date
	case c.Issuer == "":
		return "it lacks the claim iss, the address of the leases' owner"
	case provider.CheckAddress(c.Issuer) != nil:
		return "its claim iss is not an Akash address"
	case c.Version == "":
		return `it lacks the claim version, which must be "v1"`
	case c.Version != "v1":
		return fmt.Sprintf(`its claim version is %q and must be "v1"`, words([]byte(c.Version)))
	}
	switch leases.Access {
	case "full":
		if len(leases.Permissions)+len(leases.Scope) > 0 {
			return `its claim leases has access "full" and must then have neither permissions nor scope`
		}
	case "scoped":
		if leases.Permissions != nil {
			return `its claim leases has access "scoped" and must then have no permissions`
		}
		return scopeProblem("leases.scope", leases.Scope)
	case "granular":
		if len(leases.Permissions) == 0 {
			return "it lacks leases.permissions, a list of what it grants at which provider"
		}
		return permissionsProblem(leases.Permissions)
	default:
		return accessProblem("leases.access", leases.Access)
	}
	return ""
}

// Token is what a token (AEP-64) says of itself, unverified.
type Token struct {
	NotBefore, Expires time.Time
	// Problem names the first claim that providers refuse, and says what they want; it
	// is "" if they refuse none, the dates aside.
	Problem string
}

// ParseToken reads a token's claims. It reports false if they cannot be read.
func ParseToken(token string) (Token, bool) {
	payload := readPayload("Bearer " + token)
	if payload == nil {
		return Token{}, false
	}
	claims, problem := readClaims(payload)
	if claims == nil {
		return Token{}, false
	}
	t := Token{Problem: problem}
	t.NotBefore, _ = date(claims.NotBefore)
	t.Expires, _ = date(claims.Expires)
	return t, true
}

// date returns the time of a NumericDate (RFC 7519, section 2); false if there is none.
func date(n *json.Number) (time.Time, bool) {
	if n == nil {
		return time.Time{}, false
	}
	seconds, err := n.Float64()
	if err != nil && seconds == 0 {
		return time.Time{}, false
	}
	const horizon = 1 << 40 // some 35,000 years, so that no claim overflows
	return time.Unix(int64(min(max(seconds, -horizon), horizon)), 0).UTC(), true
}

// grants reports whether the token has the scope in any of its permissions for provider.
// Deployments' numbers are not checked, so true only means that the scope is not missing.
func (c *claims) grants(scope, provider string) bool {
	switch c.Leases.Access {
	case "full":
		return true
	case "scoped":
		return slices.Contains(c.Leases.Scope, scope)
	}
	for _, p := range c.Leases.Permissions {
		if p.Provider != provider {
			continue
		}
		if p.Access == "full" || slices.Contains(p.Scope, scope) {
			return true
		}
		for _, d := range p.Deployments {
			if slices.Contains(d.Scope, scope) {
				return true
			}
		}
	}
	return false
}

// names reports whether the token has any permission for provider.
func (c *claims) names(provider string) bool {
	return c.Leases.Access != "granular" ||
		slices.ContainsFunc(c.Leases.Permissions, func(p tokenPermission) bool { return p.Provider == provider })
}

func permissionsProblem(permissions []tokenPermission) string {
	var seen []string
	for i, p := range permissions {
		at := fmt.Sprintf("leases.permissions[%d]", i)
		switch {
		case p.Provider == "":
			return "it lacks " + at + ".provider, the provider's address"
		case provider.CheckAddress(p.Provider) != nil:
			return at + ".provider is not an Akash address"
		case slices.Contains(seen, p.Provider):
			return at + ".provider is named twice: want one entry for each provider"
		}
		seen = append(seen, p.Provider)
		problem := ""
		switch p.Access {
		case "full":
			if len(p.Deployments)+len(p.Scope) > 0 {
				problem = at + ` has access "full" and must then have neither deployments nor scope`
			}
		case "scoped":
			if problem = scopeProblem(at+".scope", p.Scope); p.Deployments != nil {
				problem = at + ` has access "scoped" and must then have no deployments`
			}
		case "granular":
			switch {
			case p.Scope != nil:
				problem = at + ` has access "granular" and must then have its scope in deployments`
			case len(p.Deployments) == 0:
				problem = "it lacks " + at + ".deployments, a list of what it grants for which dseq"
			}
			for j, d := range p.Deployments {
				if problem == "" {
					problem = d.problem(fmt.Sprintf("%s.deployments[%d]", at, j))
				}
			}
		default:
			problem = accessProblem(at+".access", p.Access)
		}
		if problem != "" {
			return problem
		}
	}
	return ""
}

func (d tokenDeployment) problem(at string) string {
	switch {
	case d.DSeq == 0:
		return "it lacks " + at + ".dseq, the deployment's number"
	case d.OSeq > 0 && d.GSeq == 0:
		return "it lacks " + at + ".gseq, which goes with oseq"
	case len(d.Services) == 0:
		return "it lacks " + at + ".services, a list of the services' names"
	}
	for i, name := range d.Services {
		if slices.Contains(d.Services[:i], name) {
			return fmt.Sprintf("%s.services names %q twice", at, words([]byte(name)))
		}
	}
	return scopeProblem(at+".scope", d.Scope)
}

func scopeProblem(at string, scope []string) string {
	if len(scope) == 0 {
		return "it lacks " + at + ", a list of what may be done"
	}
	for i, name := range scope {
		switch {
		case !slices.Contains(tokenScopes, name):
			return fmt.Sprintf("%s names %q, which is no scope", at, words([]byte(name)))
		case slices.Contains(scope[:i], name):
			return fmt.Sprintf("%s names %q twice", at, name)
		}
	}
	return ""
}

func accessProblem(at, access string) string {
	if access == "" {
		return "it lacks " + at + `, which must be "full", "scoped" or "granular"`
	}
	return fmt.Sprintf(`%s is %q and must be "full", "scoped" or "granular"`, at, words([]byte(access)))
}

// wanted returns the name of a JSON type.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "an object"
	}
	if t == reflect.TypeFor[json.Number]() {
		return "a number"
	}
	return "a text"
}
