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

func TestDates(t *testing.T) {
	for _, alg := range []string{"ES256K", "ES256KADR36"} {
		token, err := Read(sign(alg, `{ "exp" : 1800000000 , "note":"{\"exp\":1,[\\", "deep":{"exp":[5,{"nbf":6}]}, "nbf":1700000000.9,"iat":0 } `))
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
		"":                                  errParts,
		"secret":                            errParts,
		"secret.secret":                     errParts,
		"..":                                errParts,
		"a.b.c":                             errParts,
		sign("ES256K", dates) + ".more":     errParts,
		sign("ES256K", dates) + "=":         errParts,
		"Bearer " + sign("ES256K", dates):   errParts,
		sign("ES256K", dates) + "\n":        errParts,
		sign("ES256K", "[]"):                errParts,
		sign("ES256", dates):                errAlgorithm,
		sign("none", dates):                 errAlgorithm,
		sign("ES256K", `{"iat":1,"nbf":2}`): errDates,
		sign("ES256K", `{"iat":1,"exp":2}`): errDates,
		sign("ES256K", `{"nbf":1,"exp":2}`): errDates,
		sign("ES256K", `{"iat":1,"nbf":2,"exp":"3"}`):                     errDates,
		sign("ES256K", `{"iat":1,"nbf":2,"exp":-3}`):                      errDates,
		sign("ES256K", `{"iat":1,"nbf":2,"exp":99999999999999999999999}`): errDates,
		sign("ES256K", `{"iat":1,"nbf":2,"exp":3`):                        errDates,
		sign("ES256K", `{"iat":1,"nbf":2,"exp`):                           errDates,
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
		`{"access":"scoped","scope":[]}`:                Scope,
		`{"access":"granular","permissions":[]}`:        Provider,
		`{"access":"granular","permissions":[{"provider":"` + elsewhere + `","access":"full"}]}`: Provider,
		at(`"access":"full"`):                                                                             Nothing,
		at(`"access":"scoped","scope":["logs"]`):                                                          Nothing,
		at(`"access":"scoped","scope":["shell","status"]`):                                                Scope,
		at(`"access":"granular","deployments":[{"dseq":7,"scope":["logs"],"services":["a"]}]`):            Nothing,
		at(`"access":"granular","deployments":[{"dseq":7,"gseq":1,"oseq":1,"scope":["logs"]}]`):           Nothing,
		at(`"access":"granular","deployments":[{"dseq":7,"gseq":2,"scope":["logs"]}]`):                    Lease,
		at(`"access":"granular","deployments":[{"dseq":8,"scope":["logs"]}]`):                             Lease,
		at(`"access":"granular","deployments":[{"dseq":7,"scope":["shell"]}]`):                            Scope,
		at(`"access":"granular","deployments":[{"dseq":8,"scope":["logs"]},{"dseq":7,"scope":["logs"]}]`): Nothing,
		// The provider decides about forms that this version does not know.
		`{"access":"sometimes"}`:   Nothing,
		`{}`:                       Nothing,
		`null`:                     Nothing,
		at(`"access":"sometimes"`): Nothing,
	} {
		assert.Equal(t, want, granting(t, leases).Lacks(use), leases)
	}
	manifest := use
	manifest.GSeq, manifest.OSeq = 0, 0
	assert.Equal(t, Nothing, granting(t, at(`"access":"granular","deployments":[{"dseq":7,"gseq":2,"scope":["logs"]}]`)).Lacks(manifest),
		"a manifest is for all groups")
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"iat":1,"nbf":2,"exp":3,"leases":{"access":"granular","permissions":[{"provider":"p","access":"scoped","scope":["logs"]}]}}`))
	f.Add([]byte(`{"a":"\`))
	f.Fuzz(func(t *testing.T, claims []byte) {
		token, err := Read(sign("ES256K", string(claims)))
		if err == nil {
			token.Lacks(Use{Scope: "logs", Provider: "p"})
		}
	})
}
