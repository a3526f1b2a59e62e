package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
	"akash-provider-web/wasm/token"
)

// A token without the services of a deployment, or without leases, was refused with
// "knows only some scopes, and version must be v1": the claim that was wrong was not
// named. And a token that a provider takes must pass the page's own check.
func TestFieldTheClaimThatIsWrongIsNamed(t *testing.T) {
	w := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.16.0"})
	here, dseq := w.fake.Provider, w.lease().GetDseq()
	at := func(rest string) string {
		return `{"leases":{"access":"granular","permissions":[{"provider":"` + here + `",` + rest + `}]}}`
	}
	deployment := func(change string) string {
		d := map[string]any{"dseq": dseq, "scope": []string{"status"}, "services": []string{"web"}}
		var changes map[string]any
		require.NoError(t, json.Unmarshal([]byte(change), &changes))
		for name, value := range changes {
			if d[name] = value; value == nil {
				delete(d, name)
			}
		}
		text, err := json.Marshal(d)
		require.NoError(t, err)
		return at(`"access":"granular","deployments":[` + string(text) + `]`)
	}
	for _, tt := range []struct{ claims, names string }{
		// What the provider takes.
		{``, ""},
		{`{"leases":{"access":"full"}}`, ""},
		{`{"leases":{"access":"full","permissions":[],"scope":[]}}`, ""},
		{`{"leases":{"access":"scoped","scope":["status"]}}`, ""},
		{at(`"access":"full"`), ""},
		{at(`"access":"scoped","scope":["logs","status"]`), ""},
		{deployment(`{}`), ""},
		{deployment(`{"gseq":1}`), ""},
		{deployment(`{"gseq":1,"oseq":1}`), ""},
		{`{"jti":"once","more":{"exp":1}}`, ""},
		{`{"exp":"4000000000"}`, ""},
		{`{"iat":1.5e9,"nbf":1}`, ""},
		// What it refuses.
		{`{"iss":null}`, "iss"},
		{`{"iat":null}`, "iat"},
		{`{"nbf":null}`, "nbf"},
		{`{"exp":null}`, "exp"},
		{`{"version":null}`, "version"},
		{`{"version":"v2"}`, "version"},
		{`{"version":1}`, "version"},
		{`{"leases":null}`, "leases"},
		{`{"leases":{}}`, "leases.access"},
		{`{"leases":{"access":"none"}}`, "leases.access"},
		{`{"leases":{"access":"full","scope":["status"]}}`, "scope"},
		{`{"leases":{"access":"scoped"}}`, "leases.scope"},
		{`{"leases":{"access":"scoped","scope":["reboot"]}}`, `"reboot"`},
		{`{"leases":{"access":"scoped","scope":["status","status"]}}`, "twice"},
		{`{"leases":{"access":"scoped","scope":["status"],"permissions":[]}}`, "permissions"},
		{`{"leases":{"access":"granular"}}`, "leases.permissions"},
		{`{"leases":{"access":"granular","permissions":[{"access":"full"}]}}`, "provider"},
		{`{"leases":{"access":"granular","permissions":[{"provider":"akash1nobody","access":"full"}]}}`, "provider"},
		{`{"leases":{"access":"granular","permissions":[{"provider":"` + here + `","access":"full"},{"provider":"` + here + `","access":"full"}]}}`, "named twice"},
		{at(`"scope":["status"]`), "access"},
		{at(`"access":"full","deployments":[{"dseq":1}]`), "deployments"},
		{at(`"access":"scoped"`), "scope"},
		{at(`"access":"granular"`), "deployments"},
		{at(`"access":"granular","deployments":[]`), "deployments"},
		{deployment(`{"dseq":null}`), "dseq"},
		{deployment(`{"dseq":"7"}`), "dseq"},
		{deployment(`{"oseq":1}`), "gseq"},
		{deployment(`{"scope":null}`), "scope"},
		{deployment(`{"scope":"status"}`), "scope"},
		{deployment(`{"services":null}`), "services"},
		{deployment(`{"services":[]}`), "services"},
		{deployment(`{"services":["web","web"]}`), "twice"},
	} {
		t.Run(tt.claims, func(t *testing.T) {
			text := w.token(t, "", tt.claims)
			s, messages, err := w.Call(t.Context(), pathServices, w.to("Authorization", "Bearer "+text), &leasev1.ServiceStatusRequest{LeaseId: w.lease()})
			require.NoError(t, err)
			_, refused := token.Read(text)
			if tt.names == "" {
				require.Equal(t, codes.OK, s.Code(), s.Message())
				assert.Len(t, messages, 1)
				assert.NoError(t, refused, "the page refuses what the provider takes")
				return
			}
			require.Equal(t, codes.Unauthenticated, s.Code(), s.Message())
			assert.Equal(t, "tokenInvalid", s.Get("akash-error"), s.Message())
			_, says, _ := strings.Cut(s.Message(), "the token: ")
			assert.Contains(t, says, tt.names, s.Message())
			assert.NotContains(t, s.Message(), text)
			if refused != nil {
				assert.Contains(t, refused.Error(), tt.names)
			}
		})
	}
}
