// Package token parses the JWTs with which tenants authenticate (AEP-64), which list
// what they permit at which provider. It does not verify signatures. It predicts
// whether and why a provider will refuse a token, before a request is sent.
package token

// A Token has the relevant claims of a JWT.
type Token struct {
	// NotBefore and Expires bound the token's validity, in seconds since 1970.
	NotBefore, Expires int64
	leases             raw
}

// A Malformed is the error for a text that is not a token of Akash. It never quotes
// the text.
type Malformed string

// Error returns the message.
func (m Malformed) Error() string { return string(m) }

// Errors in a token's form.
const (
	errParts     Malformed = "it is not a JWT: want three parts in base64url with dots between them"
	errAlgorithm Malformed = "its algorithm is none of Akash's: want ES256K or ES256KADR36"
	errVersion   Malformed = `its claim version must be "v1"`
)

// lacks returns a Malformed that names a missing claim.
func lacks(claim string) Malformed { return Malformed("it lacks the claim " + claim) }

// Read parses a token. Its error is a Malformed.
func Read(text string) (*Token, error) {
	var parts [3]raw
	for i := range parts {
		var ok bool
		if parts[i], text, ok = part(text); !ok || i < 2 && parts[i][0] != '{' {
			return nil, errParts
		}
	}
	if text != "" {
		return nil, errParts
	}
	if alg := parts[0].member("alg"); !alg.is("ES256K") && !alg.is("ES256KADR36") {
		return nil, errAlgorithm
	}
	claims := parts[1]
	if claims.escaped() {
		// The provider decides: this package does not decode escapes.
		return &Token{Expires: never}, nil
	}
	if err := claims.check(); err != "" {
		return nil, err
	}
	t := &Token{Expires: never, leases: claims.member("leases")}
	// The provider decides about dates that are not plain numbers.
	if start, ok := claims.member("nbf").number(); ok {
		t.NotBefore = int64(start)
	}
	if end, ok := claims.member("exp").number(); ok {
		t.Expires = int64(end)
	}
	return t, nil
}

// never is the expiry of a token whose exp is not a plain number.
const never = 1 << 60

// check returns which required claim (proto/akash-provider-api.md, section 3.2) is
// missing, or "". It is never stricter than a provider.
func (v raw) check() Malformed {
	for _, name := range [...]string{"iss", "iat", "nbf", "exp", "version", "leases"} {
		if v.member(name) == "" {
			return lacks(name)
		}
	}
	if !v.member("version").is("v1") {
		return errVersion
	}
	leases := v.member("leases")
	if name := leases.missing("permissions"); name != "" {
		return lacks("leases." + name)
	}
	if !leases.member("access").is("granular") {
		return ""
	}
	for _, permission := range leases.member("permissions").items() {
		name := permission.missing("deployments")
		if permission.member("provider") == "" {
			name = "provider"
		}
		if name != "" {
			return lacks("leases.permissions." + name)
		}
		if !permission.member("access").is("granular") {
			continue
		}
		for _, deployment := range permission.member("deployments").items() {
			name := ""
			switch {
			case deployment.member("dseq") == "":
				name = "dseq"
			case len(deployment.member("scope").items()) == 0:
				name = "scope"
			case len(deployment.member("services").items()) == 0:
				name = "services"
			}
			if name != "" {
				return lacks("leases.permissions.deployments." + name)
			}
		}
	}
	return ""
}

// missing returns the required member that the claim leases, or one of its permissions,
// lacks, or "". parts is the name of the list that granular access requires.
func (v raw) missing(parts string) string {
	access := v.member("access")
	switch {
	case access == "":
		return "access"
	case access.is("scoped") && len(v.member("scope").items()) == 0:
		return "scope"
	case access.is("granular") && len(v.member(parts).items()) == 0:
		return parts
	}
	return ""
}

// Full reports whether the token permits everything at every provider.
func (t *Token) Full() bool { return t.leases.member("access").is("full") }

// A Use describes a call that needs permission.
type Use struct {
	// Scope is the permission's scope, such as "logs".
	Scope string
	// Provider is the address of the called provider.
	Provider string
	// DSeq, GSeq and OSeq identify the lease. GSeq and OSeq are 0 for a whole
	// deployment.
	DSeq       uint64
	GSeq, OSeq uint32
}

// A Lack says why a token does not permit a use.
type Lack uint8

// The possible reasons. Nothing is also the result for claims in an unknown form,
// about which the provider must decide.
const (
	Nothing  Lack = iota
	Provider      // it has permissions for other providers only
	Scope         // it lacks the scope
	Lease         // it has the scope for other leases only
)

// Lacks returns what the token lacks for a use. Like providers, it ignores the
// services that a token names.
func (t *Token) Lacks(use Use) Lack {
	access := t.leases.member("access")
	switch {
	case access.is("scoped"):
		return t.leases.scope(use.Scope)
	case !access.is("granular"):
		return Nothing
	}
	lack := Provider
	for _, permission := range t.leases.member("permissions").items() {
		if permission.member("provider").names(use.Provider) {
			lack = permission.lacks(use)
		}
	}
	return lack
}

// lacks returns what the permissions for one provider lack for a use.
func (v raw) lacks(use Use) Lack {
	access := v.member("access")
	switch {
	case access.is("scoped"):
		return v.scope(use.Scope)
	case !access.is("granular"):
		return Nothing
	}
	lack := Scope
	for _, deployment := range v.member("deployments").items() {
		switch {
		case deployment.scope(use.Scope) == Scope:
		case deployment.covers("dseq", use.DSeq) &&
			deployment.covers("gseq", uint64(use.GSeq)) && deployment.covers("oseq", uint64(use.OSeq)):
			return Nothing
		default:
			lack = Lease
		}
	}
	return lack
}

// scope returns Nothing if the value's list of scopes contains name, and Scope
// otherwise.
func (v raw) scope(name string) Lack {
	for _, granted := range v.member("scope").items() {
		if granted.is(name) {
			return Nothing
		}
	}
	return Scope
}

// covers reports whether a sequence number of a deployment matches the requested one.
// 0, or an absent number, matches all.
func (v raw) covers(name string, asked uint64) bool {
	granted, _ := v.member(name).number()
	return granted == 0 || asked == 0 || granted == asked
}

// part decodes the text before the first dot, which is unpadded base64url (RFC 7515,
// section 2), and returns the text after it.
func part(text string) (decoded raw, rest string, ok bool) {
	var b []byte
	bits, n := uint32(0), 0
	for i := range len(text) {
		var digit byte
		switch c := text[i]; {
		case c == '.':
			return raw(b), text[i+1:], len(b) > 0 && n < 6
		case 'A' <= c && c <= 'Z':
			digit = c - 'A'
		case 'a' <= c && c <= 'z':
			digit = c - 'a' + 26
		case '0' <= c && c <= '9':
			digit = c - '0' + 52
		case c == '-':
			digit = 62
		case c == '_':
			digit = 63
		default:
			return "", "", false
		}
		bits, n = bits<<6|uint32(digit), n+6
		if n >= 8 {
			n -= 8
			b = append(b, byte(bits>>n))
		}
	}
	return raw(b), "", len(b) > 0 && n < 6
}
