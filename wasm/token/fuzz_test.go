package token

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever text is given as a token, it is read or refused, and the refusal does not
// repeat it.
func FuzzText(f *testing.F) {
	f.Add(sign("ES256K", `{"iat":1,"exp":2,"leases":{"access":"full"}}`))
	f.Add(sign("none", `{}`))
	f.Add("a.b.c")
	f.Add("..")
	f.Add("eyJ\x00.e30.secretsecret")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Read(text)
		if err != nil {
			if len(text) >= 20 {
				require.NotContains(t, err.Error(), text)
			}
			return
		}
		token.Lacks(Use{Scope: "logs", Provider: "p"})
	})
}
