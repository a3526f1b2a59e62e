package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// Whatever headers a caller sends, the call is refused with a reason that has no secret, or
// its parts are valid and permitted.
func FuzzHeaders(f *testing.F) {
	const someone = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"
	f.Add(someone, "https://provider.example.com:8443", "verify", "true", "Bearer a.b.c", "10", "8", "")
	f.Add(someone, "https://127.0.0.1", "insecure", "false", "Basic secretsecret", "-1", "1e308", "secretsecret")
	f.Add(strings.ToUpper(someone), "", "sha256="+strings.Repeat("ab", 32), "", "Bearer  ", "99999999999", "NaN", "AAAA")
	f.Add("akash1", "https://user:secretsecret@x", "sha256=zz", "TRUE", "bearer secretsecret ", "0x1", "0.999", "LS0tLS1CRUdJTg==")
	f.Fuzz(func(t *testing.T, address, host, mode, check, authorization, tail, heartbeat, certificate string) {
		h := http.Header{}
		for name, value := range map[string]string{
			headerProvider: address, headerHostURI: host, headerTLS: mode, headerCheckVersion: check, headerAuth: authorization,
			headerTail: tail, headerHeartbeat: heartbeat, headerClientCert: certificate,
		} {
			if value != "" {
				h.Set(name, value)
			}
		}
		for _, path := range []string{providerv1.ProviderRPC_GetStatus_FullMethodName, leasev1.LeaseRPC_ServiceLogs_FullMethodName} {
			for _, allowed := range []permissions{{}, {insecure: true, hostOverride: true}} {
				c, err := parseCall(path, h, allowed)
				if err != nil {
					var known *rpcerror.Error
					require.ErrorAs(t, err, &known)
					require.Contains(t, []codes.Code{codes.InvalidArgument, codes.PermissionDenied}, known.Code)
					require.NotContains(t, known.Error(), "secretsecret")
					continue
				}
				require.Equal(t, address, c.request.Address)
				require.False(t, c.request.TLS.Insecure && !allowed.insecure)
				require.False(t, c.request.HostURI != "" && !allowed.hostOverride)
				if c.request.HostURI != "" {
					_, err := guard.ParseHostURI(c.request.HostURI)
					require.NoError(t, err)
				}
				require.GreaterOrEqual(t, c.tail, wholeHistory)
				require.True(t, c.heartbeat == 0 || time.Second <= c.heartbeat && c.heartbeat <= maxHeartbeat)
				if c.method.Public() {
					require.Empty(t, c.authorization)
				}
				require.False(t, c.authorization != "" && c.request.ClientCertificate != nil)
			}
		}
	})
}
