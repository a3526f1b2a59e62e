package token

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	here      = "akash1here"
	elsewhere = "akash1elsewhere"
)

// sign returns a token with an invalid signature.
func sign(alg, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"typ":"JWT", "alg":"`+alg+`"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

// granting returns a token with the given leases claim.
func granting(t *testing.T, leases string) *Token {
	t.Helper()
	require.True(t, json.Valid([]byte(leases)), leases)
	token, err := Read(sign("ES256K", `{"iss":"akash1tenant","iat":1,"nbf":2,"exp":3,"version":"v1","leases":`+leases+`}`))
	require.NoError(t, err)
	return token
}

// tokens are claims, and which of them is missing, "" where providers take the token or
// only they can tell.
var tokens = map[string]string{
	`{}`:                             "iss",
	`{"iat":null}`:                   "iat",
	`{"nbf":null}`:                   "nbf",
	`{"exp":null}`:                   "exp",
	`{"version":null}`:               "version",
	`{"leases":null}`:                "leases",
	`{"leases":{}}`:                  "leases.access",
	`{"leases":{"access":"scoped"}}`: "leases.scope",
	`{"leases":{"access":"scoped","scope":[]}}`:                                                                                                 "leases.scope",
	`{"leases":{"access":"granular"}}`:                                                                                                          "leases.permissions",
	`{"leases":{"access":"granular","permissions":[]}}`:                                                                                         "leases.permissions",
	`{"leases":{"access":"granular","permissions":[{"access":"full"}]}}`:                                                                        "leases.permissions.provider",
	`{"leases":{"access":"granular","permissions":[{"provider":"p"}]}}`:                                                                         "leases.permissions.access",
	`{"leases":{"access":"granular","permissions":[{"provider":"p","access":"scoped"}]}}`:                                                       "leases.permissions.scope",
	`{"leases":{"access":"granular","permissions":[{"provider":"p","access":"granular"}]}}`:                                                     "leases.permissions.deployments",
	`{"leases":{"access":"granular","permissions":[{"provider":"p","access":"granular","deployments":[{"scope":["logs"],"services":["a"]}]}]}}`: "leases.permissions.deployments.dseq",
	`{"leases":{"access":"granular","permissions":[{"provider":"p","access":"granular","deployments":[{"dseq":1}]}]}}`:                          "leases.permissions.deployments.scope",
	`{"leases":{"access":"granular","permissions":[{"provider":"p","access":"granular","deployments":[{"dseq":1,"scope":["logs"]}]}]}}`:         "leases.permissions.deployments.services",
	// These a provider reads, or judges.
	`{"exp":"1800000000"}`:                  "",
	`{"exp":1.8e9}`:                         "",
	`{"exp":-3}`:                            "",
	`{"exp":99999999999999999999999}`:       "",
	`{"EXP":1800000000,"exp":null}`:         "exp",
	`{"exp":null,"Exp":1800000000}`:         "",
	`{"\u0065xp":1800000000,"exp":null}`:    "",
	`{"leases":{"access":"sometimes"}}`:     "",
	`{"leases":{"Access":"full"}}`:          "",
	`{"leases":{"access":"full"},"more":1}`: "",
}

// A token that lacks what every provider asks for names it; what a provider may take
// is not refused.
func TestFieldAMissingClaimIsNamed(t *testing.T) {
	for change, want := range tokens {
		claims := change
		if change != "{}" {
			// What a change names comes after what it stands for, and so counts.
			claims = `{"iss":"akash1tenant","iat":1,"nbf":2,"exp":1800000000,"version":"v1","leases":{"access":"full"},` + change[1:]
		}
		_, err := Read(sign("ES256K", claims))
		if want == "" {
			assert.NoError(t, err, change)
			continue
		}
		assert.Equal(t, lacks(want), err, change)
	}
	_, err := Read(sign("ES256K", `{"iss":"a","iat":1,"nbf":2,"exp":3,"version":"v2","leases":{"access":"full"}}`))
	assert.Equal(t, errVersion, err)
}

func TestDates(t *testing.T) {
	for _, alg := range []string{"ES256K", "ES256KADR36"} {
		token, err := Read(sign(alg, `{ "exp" : 1800000000 , "note":"{exp:1,[", "deep":{"exp":[5,{"nbf":6}]}, "nbf":1700000000.9,"iat":0,"iss":"akash1tenant","version":"v1","leases":{"access":"scoped","scope":["logs"],"services":["a"]} } `))
		require.NoError(t, err)
		assert.EqualValues(t, 1700000000, token.NotBefore)
		assert.EqualValues(t, 1800000000, token.Expires)
		assert.False(t, token.Full())
	}
}

// The error for a malformed token has the reason and does not quote the token.
func TestMalformed(t *testing.T) {
	const dates = `{"iat":1,"nbf":2,"exp":3}`
	for text, want := range map[string]error{
		"":                                      errParts,
		"secret":                                errParts,
		"secret.secret":                         errParts,
		"..":                                    errParts,
		"a.b.c":                                 errParts,
		sign("ES256K", dates) + ".more":         errParts,
		sign("ES256K", dates) + "=":             errParts,
		"Bearer " + sign("ES256K", dates):       errParts,
		sign("ES256K", dates) + "\n":            errParts,
		sign("ES256K", "[]"):                    errParts,
		sign("ES256", dates):                    errAlgorithm,
		sign("none", dates):                     errAlgorithm,
		sign("ES256K", `{"iat":1,"nbf":2,"exp`): lacks("iss"),
	} {
		_, err := Read(text)
		assert.Equal(t, want, err, text)
	}
}

// A token permits what providers accept it for.
func TestGrants(t *testing.T) {
	use := Use{Scope: "logs", Provider: here, DSeq: 7, GSeq: 1, OSeq: 1}
	at := func(permission string) string {
		return `{"access":"granular","permissions":[{"provider":"` + elsewhere + `","access":"full"},{"provider":"` + here + `",` + permission + `}]}`
	}
	for leases, want := range map[string]Lack{
		`{"access":"full"}`:                             Nothing,
		`{"access":"scoped","scope":["status","logs"]}`: Nothing,
		`{"access":"scoped","scope":["status"]}`:        Scope,
		`{"access":"granular","permissions":[{"provider":"` + elsewhere + `","access":"full"}]}`: Provider,
		at(`"access":"full"`):                                                                                                               Nothing,
		at(`"access":"scoped","scope":["logs"]`):                                                                                            Nothing,
		at(`"access":"scoped","scope":["shell","status"]`):                                                                                  Scope,
		at(`"access":"granular","deployments":[{"dseq":7,"scope":["logs"],"services":["a"]}]`):                                              Nothing,
		at(`"access":"granular","deployments":[{"dseq":7,"gseq":1,"oseq":1,"scope":["logs"],"services":["a"]}]`):                            Nothing,
		at(`"access":"granular","deployments":[{"dseq":7,"gseq":2,"scope":["logs"],"services":["a"]}]`):                                     Lease,
		at(`"access":"granular","deployments":[{"dseq":8,"scope":["logs"],"services":["a"]}]`):                                              Lease,
		at(`"access":"granular","deployments":[{"dseq":7,"scope":["shell"],"services":["a"]}]`):                                             Scope,
		at(`"access":"granular","deployments":[{"dseq":8,"scope":["logs"],"services":["a"]},{"dseq":7,"scope":["logs"],"services":["a"]}]`): Nothing,
		// The provider decides about forms that this version does not know.
		`{"access":"sometimes"}`:   Nothing,
		at(`"access":"sometimes"`): Nothing,
	} {
		assert.Equal(t, want, granting(t, leases).Lacks(use), leases)
	}
	manifest := use
	manifest.GSeq, manifest.OSeq = 0, 0
	assert.Equal(t, Nothing, granting(t, at(`"access":"granular","deployments":[{"dseq":7,"gseq":2,"scope":["logs"],"services":["a"]}]`)).Lacks(manifest),
		"a manifest is for all groups")
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"iat":1,"nbf":2,"exp":3,"leases":{"access":"granular","permissions":[{"provider":"p","access":"scoped","scope":["logs"],"services":["a"]}]}}`))
	f.Add([]byte(`{"a":"\`))
	f.Fuzz(func(t *testing.T, claims []byte) {
		token, err := Read(sign("ES256K", string(claims)))
		if err == nil {
			token.Lacks(Use{Scope: "logs", Provider: "p"})
		}
	})
}
