package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/access"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/limit"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// reached counts how often providers are connected to.
type reached int

func (r *reached) Reach(context.Context, provider.Request) (*provider.Endpoint, error) {
	*r++
	return &provider.Endpoint{Method: provider.REST, Verified: "chain"}, nil
}

// asker makes calls that go no further than to the provider's route.
type asker struct {
	*Gateway
	reached reached
}

func newAsker(t *testing.T) *asker {
	control, err := access.New(access.Options{})
	require.NoError(t, err)
	metadata, err := guard.NewMetadata([]string{"x-crash"})
	require.NoError(t, err)
	a := &asker{}
	a.Gateway = New(Options{
		Reacher: &a.reached, Metadata: metadata, Access: control, AllowHostOverride: true, AllowInsecure: true,
		Limits: limit.New(limit.Options{Open: 100}, nil), Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(),
	})
	return a
}

const someProvider = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"

// ask makes a call that ends with result, unless the bridge refuses it.
func (a *asker) ask(t *testing.T, result relay.Result, headers ...string) *rpcerror.Error {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, providerv1.ProviderRPC_GetStatus_FullMethodName, nil)
	r.Header.Set("Akash-Provider", someProvider)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	call, err := a.Accept(r, relay.ProtocolGRPCWeb)
	require.NoError(t, err)
	if _, err := call.Route(t.Context()); err != nil {
		var known *rpcerror.Error
		require.True(t, errors.As(err, &known))
		call.Done(relay.Result{Code: known.Code, Reason: known.Reason, Err: known})
		return known
	}
	call.Done(result)
	return nil
}

func failedWith(reason rpcerror.Reason) relay.Result {
	err := rpcerror.New(codes.Internal, reason, "its status is not a JSON object")
	return relay.Result{Code: err.Code, Reason: reason, Err: err}
}

var (
	unusable = failedWith(rpcerror.ReasonProviderProtocol)
	well     = relay.Result{Code: codes.OK}
)

// A provider whose answers cannot be used again and again is asked only now and then: the
// caller learns when. It is served again as soon as it is well, after two seconds at most.
func TestAProviderWhoseAnswersCannotBeUsedIsAskedLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsker(t)
		began := time.Now()
		for time.Since(began) < time.Minute {
			if refused := a.ask(t, unusable); refused != nil {
				assert.Equal(t, codes.Unavailable, refused.Code)
				assert.Equal(t, rpcerror.ReasonProviderProtocol, refused.Reason)
				assert.Equal(t, someProvider, refused.Provider)
				assert.Regexp(t, `^it failed \d+ times in a row, the last time because its status is not a JSON object; it is asked again in [0-9.]+m?s$`, refused.Message)
				assert.Positive(t, refused.RetryAfter)
				assert.LessOrEqual(t, refused.RetryAfter, 2*time.Second)
			}
			time.Sleep(20 * time.Millisecond)
		}
		assert.InDelta(t, 33, int(a.reached), 3, "of 3,000 calls")

		ill := time.Now()
		for a.ask(t, well) != nil {
			time.Sleep(20 * time.Millisecond)
		}
		assert.LessOrEqual(t, time.Since(ill), 2*time.Second+20*time.Millisecond)
		for range 10 {
			assert.Nil(t, a.ask(t, well))
		}
	})
}

// No caller can keep others from a provider: not by what they send it, not by naming another
// host or certificate for it, not by calls that they end, and not by a call that is refused.
func TestACallerCannotKeepOthersFromAProvider(t *testing.T) {
	const pin = "sha256=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sentSomething := unusable
	sentSomething.Received = 10
	for name, abuse := range map[string]func(*testing.T, *asker){
		"a message":                func(t *testing.T, a *asker) { a.ask(t, sentSomething) },
		"metadata":                 func(t *testing.T, a *asker) { a.ask(t, unusable, "X-Crash", "now") },
		"another host":             func(t *testing.T, a *asker) { a.ask(t, unusable, "Akash-Host-Uri", "https://evil.example:8443") },
		"another certificate":      func(t *testing.T, a *asker) { a.ask(t, unusable, "Akash-Tls", pin) },
		"no check of certificates": func(t *testing.T, a *asker) { a.ask(t, unusable, "Akash-Tls", "insecure") },
		"ending the call":          func(t *testing.T, a *asker) { a.ask(t, failedWith("")) },
		"an unreachable provider":  func(t *testing.T, a *asker) { a.ask(t, failedWith(rpcerror.ReasonProviderUnreachable)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAsker(t)
				for range 50 {
					abuse(t, a)
					time.Sleep(10 * time.Millisecond)
					assert.Nil(t, a.ask(t, failedWith("")), "the others' calls are made")
				}
			})
		})
	}
}

// One bad answer has no consequence.
func TestOneBadAnswerIsForgotten(t *testing.T) {
	a := newAsker(t)
	for range 5 {
		assert.Nil(t, a.ask(t, unusable))
		assert.Nil(t, a.ask(t, well))
	}
}
