package client

import (
	encoding "encoding/base64"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/wasm/message"
)

// makeToken makes a token for 15 minutes from a time on, but for its signature.
func makeToken(from time.Time, leases string) string {
	encode := encoding.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256K","typ":"JWT"}`)) + "." +
		encode(fmt.Appendf(nil, `{"iss":"akash1tenant","version":"v1","iat":%d,"nbf":%[1]d,"exp":%d,"leases":%s}`, from.Unix(), from.Add(15*time.Minute).Unix(), leases)) +
		".c2lnbmF0dXJl"
}

// here is a claim leases that grants permission at the provider.
func here(permission string) string {
	return `{"access":"granular","permissions":[{"provider":"` + provider + `",` + permission + `}]}`
}

func manifestAnswer(t *testing.T) answer {
	return answer{body: [][]byte{framed(t, &webv1.GetManifestResponse{Manifest: []byte("[]")}), trailers("grpc-status: 0\r\n")}}
}

// What a provider is sure to refuse is not sent, and its reason told; what it may
// take is.
func TestTokensAreCheckedBeforeTheyAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		full := here(`"access":"full"`)
		for _, test := range []struct {
			name, token, code, reason, says string
		}{
			{"good", makeToken(now, full), "", "", ""},
			{"of a clock that is a little ahead", makeToken(now.Add(29*time.Second), full), "", "", ""},
			{"that has just ended", makeToken(now.Add(-15*time.Minute-29*time.Second), full), "", "", ""},
			{"for this alone", makeToken(now, here(`"access":"scoped","scope":["get-manifest"]`)), "", "", ""},
			{"expired", makeToken(now.Add(-time.Hour), full), "UNAUTHENTICATED", "tokenExpired",
				"the token expired at 1999-12-31T23:15:00Z, and it is 2000-01-01T00:00:00Z by this page's clock"},
			{"not yet valid", makeToken(now.Add(time.Minute), full), "UNAUTHENTICATED", "tokenNotYetValid",
				"the token is valid from 2000-01-01T00:01:00Z on, and it is 2000-01-01T00:00:00Z by this page's clock: set the clock"},
			{"nonsense", "secret", "UNAUTHENTICATED", "tokenInvalid", "it is not a JWT"},
			{"without the services of a deployment", makeToken(now, here(`"access":"granular","deployments":[{"dseq":7,"scope":["get-manifest"]}]`)), "UNAUTHENTICATED", "tokenInvalid",
				"it lacks the claim leases.permissions.deployments.services"},
			{"for another provider", makeToken(now, `{"access":"granular","permissions":[{"provider":"akash1other","access":"full"}]}`), "PERMISSION_DENIED", "scopeMissing", "at this provider"},
			{"for another use", makeToken(now, here(`"access":"scoped","scope":["logs"]`)), "PERMISSION_DENIED", "scopeMissing", `the scope "get-manifest"`},
			{"for another lease", makeToken(now, here(`"access":"granular","deployments":[{"dseq":8,"scope":["get-manifest"],"services":["web"]}]`)), "PERMISSION_DENIED", "scopeMissing", "not on this lease"},
		} {
			client, bridge := newClient(manifestAnswer(t))
			call := newCall()
			call.Lease.Lease = message.LeaseID{DSeq: 7, GSeq: 1, OSeq: 1}
			asked := 0
			call.Credentials = Credentials{Renewable: true, Token: func(*Scope, string) (string, error) {
				asked++
				return test.token, nil
			}}
			result := parse(t, client.Do(&Scope{}, "getManifest", call))
			assert.Equal(t, 1, asked, test.name)
			if test.code == "" {
				assert.Equal(t, "success", result["status"], "%s: %v", test.name, result)
				assert.Equal(t, object{"manifest": "[]"}, result["response"], test.name)
				continue
			}
			require.Equal(t, "error", result["status"], test.name)
			failure := result["error"].(object)
			assert.Equal(t, test.code, failure["code"], test.name)
			assert.Equal(t, test.reason, failure["reason"], test.name)
			assert.Contains(t, failure["message"], test.says, test.name)
			assert.Contains(t, failure["message"], provider, test.name)
			assert.NotContains(t, failure["message"], test.token, test.name)
			assert.Empty(t, bridge.requests, test.name)
		}
	})
}

// The author of a page is warned once of a token that any provider could use.
func TestFullTokensAreWarnedOf(t *testing.T) {
	client, _ := newClient(manifestAnswer(t))
	var warnings []string
	client.Warn = func(text string) { warnings = append(warnings, text) }
	for _, leases := range []string{here(`"access":"full"`), `{"access":"full"}`, `{"access":"full"}`} {
		call := newCall()
		token := makeToken(time.Now(), leases)
		call.Credentials.Token = func(*Scope, string) (string, error) { return token, nil }
		assert.Equal(t, "success", parse(t, client.Do(&Scope{}, "getManifest", call))["status"])
	}
	require.Len(t, warnings, 1)
	assert.Contains(t, warnings[0], provider)
	assert.NotContains(t, warnings[0], "eyJ")
}

// A token that the provider refused is exchanged once, whatever the call does: a
// refused call has done nothing.
func TestRefusedTokensAreExchangedOnce(t *testing.T) {
	old := makeToken(time.Now(), here(`"access":"full"`))
	fresh := makeToken(time.Now().Add(-time.Second), here(`"access":"full"`))
	no := refusal("16", "the token expired", "tokenExpired")
	for name, test := range map[string]struct {
		renewable bool
		answers   []answer
		sent      []string
		status    string
	}{
		"and is taken":             {true, []answer{no, manifestAnswer(t)}, []string{old, fresh}, "success"},
		"and is refused again":     {true, []answer{no}, []string{old, fresh}, "error"},
		"unless there is no other": {false, []answer{no}, []string{old}, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"getManifest", "sendManifest"} {
				client, bridge := newClient(test.answers...)
				call := newCall()
				call.Credentials = Credentials{Renewable: test.renewable, Token: func(_ *Scope, refused string) (string, error) {
					if refused == old {
						return fresh, nil
					}
					return old, nil
				}}
				result := parse(t, client.Do(&Scope{}, method, call))
				assert.Equal(t, test.status, result["status"])
				var sent []string
				for _, request := range bridge.requests {
					value, _ := request.Header.Get("authorization")
					sent = append(sent, value[len("Bearer "):])
				}
				assert.Equal(t, test.sent, sent)
			}

			client, bridge := newClient(test.answers...)
			call := newCall()
			call.Credentials = Credentials{Renewable: test.renewable, Token: func(_ *Scope, refused string) (string, error) {
				if refused == old {
					return fresh, nil
				}
				return old, nil
			}}
			_, failure := readStream(t, client.NewStream("streamLeaseEvents", call))
			assert.Equal(t, test.status == "success", failure == nil)
			assert.Len(t, bridge.requests, len(test.sent))
		})
	}
}

// A manifest, or a restart, whose answer is lost may be in effect. Nobody repeats
// it, and the page is told.
func TestOutcomesThatAreNotKnown(t *testing.T) {
	for name, test := range map[string]struct {
		answer       answer
		code, reason string
	}{
		"the bridge is lost":       {answer{err: "Failed to fetch"}, "UNKNOWN", "outcomeUnknown"},
		"the answer breaks off":    {answer{broken: "network error"}, "UNKNOWN", "outcomeUnknown"},
		"the answer has no end":    {answer{}, "UNKNOWN", "outcomeUnknown"},
		"the provider dies":        {refusal("14", "x", "providerGone"), "UNKNOWN", "outcomeUnknown"},
		"the bridge says so":       {refusal("2", "x", "outcomeUnknown"), "UNKNOWN", "outcomeUnknown"},
		"the time runs out":        {answer{hang: true}, "DEADLINE_EXCEEDED", "outcomeUnknown"},
		"the provider was not met": {refusal("14", "x", "providerUnreachable"), "UNAVAILABLE", "providerUnreachable"},
		"it was refused":           {refusal("3", "x", "manifestRefused"), "INVALID_ARGUMENT", "manifestRefused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, method := range []string{"sendManifest", "restartServices"} {
					client, bridge := newClient(test.answer)
					failure := parse(t, client.Do(&Scope{}, method, newCall()))["error"].(object)
					assert.Equal(t, test.code, failure["code"])
					assert.Equal(t, test.reason, failure["reason"])
					assert.Len(t, bridge.requests, 1)
				}
			})
		})
	}
}
