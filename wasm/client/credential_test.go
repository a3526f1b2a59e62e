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

// makeToken makes a token that is valid for 15 minutes after from. Its signature is not
// real.
func makeToken(from time.Time, leases string) string {
	encode := encoding.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256K","typ":"JWT"}`)) + "." +
		encode(fmt.Appendf(nil, `{"iss":"akash1tenant","version":"v1","iat":%d,"nbf":%[1]d,"exp":%d,"leases":%s}`, from.Unix(), from.Add(15*time.Minute).Unix(), leases)) +
		".c2lnbmF0dXJl"
}

// here returns a leases claim that grants the permission at the provider.
func here(permission string) string {
	return `{"access":"granular","permissions":[{"provider":"` + provider + `",` + permission + `}]}`
}

func manifestAnswer(t *testing.T) answer {
	return answer{body: [][]byte{framed(t, &webv1.GetManifestResponse{Manifest: []byte("[]")}), trailers("grpc-status: 0\r\n")}}
}

// A token that the provider is certain to refuse is not sent, and the error says why. Other
// tokens are sent.
func TestTokensAreCheckedBeforeTheyAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		full := here(`"access":"full"`)
		for _, test := range []struct {
			name, token, code, reason, says string
		}{
			{"good", makeToken(now, full), "", "", ""},
			{"from a clock that is a little ahead", makeToken(now.Add(29*time.Second), full), "", "", ""},
			{"that has just expired", makeToken(now.Add(-15*time.Minute-29*time.Second), full), "", "", ""},
			{"for this scope only", makeToken(now, here(`"access":"scoped","scope":["get-manifest"]`)), "", "", ""},
			{"expired", makeToken(now.Add(-time.Hour), full), "UNAUTHENTICATED", "tokenExpired",
				"the token expired at 1999-12-31T23:15:00Z, and it is 2000-01-01T00:00:00Z by this page's clock"},
			{"not yet valid", makeToken(now.Add(time.Minute), full), "UNAUTHENTICATED", "tokenNotYetValid",
				"the token is valid from 2000-01-01T00:01:00Z on, and it is 2000-01-01T00:00:00Z by this page's clock: set the clock"},
			{"nonsense", "secret", "UNAUTHENTICATED", "tokenInvalid", "it is not a JWT"},
			{"without the services of a deployment", makeToken(now, here(`"access":"granular","deployments":[{"dseq":7,"scope":["get-manifest"]}]`)), "UNAUTHENTICATED", "tokenInvalid",
				"it lacks the claim leases.permissions.deployments.services"},
			{"for another provider", makeToken(now, `{"access":"granular","permissions":[{"provider":"akash1other","access":"full"}]}`), "PERMISSION_DENIED", "scopeMissing", "at this provider"},
			{"for another scope", makeToken(now, here(`"access":"scoped","scope":["logs"]`)), "PERMISSION_DENIED", "scopeMissing", `the scope "get-manifest"`},
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

// A token that any provider could use causes one warning.
func TestFullTokenWarnsOnce(t *testing.T) {
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

// A refused token is replaced once, also for methods with side effects: a refused call had
// none.
func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	old := makeToken(time.Now(), here(`"access":"full"`))
	fresh := makeToken(time.Now().Add(-time.Second), here(`"access":"full"`))
	no := refusal("16", "the token expired", "tokenExpired")
	for name, test := range map[string]struct {
		renewable bool
		answers   []answer
		sent      []string
		status    string
	}{
		"and is accepted":          {true, []answer{no, manifestAnswer(t)}, []string{old, fresh}, "success"},
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

// A manifest or restart whose response is lost may have taken effect. It is not repeated,
// and the error says so.
func TestUnknownOutcome(t *testing.T) {
	for name, test := range map[string]struct {
		answer       answer
		code, reason string
	}{
		"the bridge is lost":           {answer{err: "Failed to fetch"}, "UNKNOWN", "outcomeUnknown"},
		"the answer breaks off":        {answer{broken: "network error"}, "UNKNOWN", "outcomeUnknown"},
		"the answer is incomplete":     {answer{}, "UNKNOWN", "outcomeUnknown"},
		"the provider dies":            {refusal("14", "x", "providerGone"), "UNKNOWN", "outcomeUnknown"},
		"the bridge says so":           {refusal("2", "x", "outcomeUnknown"), "UNKNOWN", "outcomeUnknown"},
		"the call times out":           {answer{hang: true}, "DEADLINE_EXCEEDED", "outcomeUnknown"},
		"the provider was not reached": {refusal("14", "x", "providerUnreachable"), "UNAVAILABLE", "providerUnreachable"},
		"it was refused":               {refusal("3", "x", "manifestRefused"), "INVALID_ARGUMENT", "manifestRefused"},
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
