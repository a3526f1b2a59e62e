package client

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// try makes a call and returns its result and the times of its attempts.
func try(t *testing.T, methodName string, call *Call, answers ...answer) (result object, at []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, bridge := newClient(answers...)
		result = parse(t, client.Do(&Scope{}, methodName, call))
		at = bridge.at
		assert.Zero(t, bridge.open)
	})
	return result, at
}

const ms = time.Millisecond

// The wait between attempts doubles, up to a maximum.
func TestBackoff(t *testing.T) {
	call := newCall()
	call.Retries = 8
	result, at := try(t, "getProviderStatus", call, refusal("14", "down", ""))
	assert.Equal(t, 9.0, result["attempts"])
	assert.Equal(t, 9.0, result["error"].(object)["attempts"])
	var waits []time.Duration
	for i := 1; i < len(at); i++ {
		waits = append(waits, at[i]-at[i-1])
	}
	assert.Equal(t, []time.Duration{200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 10_000 * ms, 10_000 * ms}, waits)
}

// Equal jitter: a wait is between half and all of the doubled time.
func TestJitter(t *testing.T) {
	client, _ := newClient(answer{})
	for _, random := range []float64{0, 0.25, 0.999} {
		client.Random = func() float64 { return random }
		assert.Equal(t, int(100+100*random), client.backoff(1, maxBackoff))
		assert.Equal(t, int(5000+5000*random), client.backoff(100, maxBackoff))
		assert.Equal(t, int(1000+1000*random), client.backoff(100, 2000))
	}
}

// An error has the id of the last request, if that was answered.
func TestTheRequestIDOfAnError(t *testing.T) {
	call := newCall()
	call.Retries = 1
	first, last := refusal("14", "down", ""), refusal("14", "down", "")
	first.header["akash-request-id"], last.header["akash-request-id"] = "one", "two"
	result, _ := try(t, "getProviderStatus", call, first, last)
	assert.Equal(t, "two", result["error"].(object)["requestId"])
	result, _ = try(t, "getProviderStatus", newCall(), first, answer{err: "Failed to fetch"})
	assert.NotContains(t, result["error"], "requestId")
}

func TestSuccessAfterFailures(t *testing.T) {
	result, at := try(t, "getProviderStatus", newCall(),
		answer{err: "Failed to fetch"}, answer{hang: true}, refusal("14", "down", ""), statusAnswer(t))
	assert.Equal(t, "success", result["status"])
	assert.Equal(t, 4.0, result["attempts"])
	assert.Equal(t, []time.Duration{0, 200 * ms, 1600 * ms, 2400 * ms}, at)
}

// Only transient errors are retried.
func TestWhatIsRetried(t *testing.T) {
	token := func(*Scope, string) (string, error) { return makeToken(time.Now(), `{"access":"full"}`), nil }
	for name, c := range map[string]struct {
		method   string
		auth     bool
		answer   answer
		attempts float64
	}{
		"unavailable":                          {"getProviderStatus", false, refusal("14", "x", ""), 4},
		"the attempt's deadline":               {"getProviderStatus", false, refusal("4", "x", ""), 4},
		"a lost bridge":                        {"getProviderStatus", false, answer{err: "x"}, 4},
		"a bridge lost in the answer":          {"getProviderStatus", false, answer{broken: "x"}, 4},
		"a proxy without a bridge":             {"getProviderStatus", false, answer{status: 503}, 4},
		"exhausted":                            {"getProviderStatus", false, refusal("8", "x", ""), 1},
		"unknown provider":                     {"getProviderStatus", false, refusal("5", "x", ""), 1},
		"a refused certificate":                {"getProviderStatus", false, refusal("9", "x", "revoked"), 1},
		"not allowed":                          {"getProviderStatus", false, refusal("7", "x", ""), 1},
		"internal":                             {"getProviderStatus", false, refusal("13", "x", ""), 1},
		"a status call sends no token":         {"getProviderStatus", true, refusal("14", "x", "providerGone"), 4},
		"a restart that may have taken effect": {"restartServices", false, refusal("14", "x", ""), 1},
		"a restart that was lost":              {"restartServices", false, answer{err: "x"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			call := newCall()
			if c.auth {
				call.Credentials.Token = token
			}
			result, _ := try(t, c.method, call, c.answer)
			assert.Equal(t, c.attempts, result["attempts"])
		})
	}
}

// A provider that crashed on credentials does not get them again as soon as it is back. If
// it never received them, or not on its gRPC port, the call is retried.
func TestCredentialsAreNotSentTwice(t *testing.T) {
	for name, c := range map[string]struct {
		answer   answer
		attempts int
	}{
		"the provider died":          {refusal("14", "x", "providerGone"), 1},
		"for an unknown reason":      {refusal("14", "x", ""), 1},
		"the provider is not there":  {refusal("14", "x", "providerUnreachable"), 4},
		"the chain is not there":     {refusal("14", "x", "chainUnavailable"), 4},
		"the chain's nodes disagree": {refusal("14", "x", "chainDisagreement"), 4},
		"the bridge is not there":    {answer{err: "Failed to fetch"}, 4},
		"the provider times out":     {refusal("4", "x", ""), 4},
		"a proxy before the bridge":  {answer{status: 503}, 1},
		"the provider speaks REST":   {overREST(refusal("14", "x", "clusterUnavailable")), 4},
		"the provider asks to retry later": {answer{header: map[string]string{
			"grpc-status": "8", "grpc-retry-pushback-ms": "50"}}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, bridge := newClient(c.answer)
				call := newCall()
				call.Credentials.CertPEM = "certificate"
				_, failure := readStream(t, client.NewStream("streamLogs", call))
				assert.NotNil(t, failure)
				assert.Len(t, bridge.requests, c.attempts)
			})
		})
	}
}

// A server may say when to retry, within limits, or not to.
func TestPushback(t *testing.T) {
	pushback := func(ms string) answer {
		return answer{body: [][]byte{trailers("grpc-status: 8\r\ngrpc-retry-pushback-ms: " + ms + "\r\n")}}
	}
	result, at := try(t, "getProviderStatus", newCall(), pushback("1234"), statusAnswer(t))
	assert.Equal(t, "success", result["status"])
	assert.Equal(t, []time.Duration{0, 1234 * ms}, at)

	for _, never := range []string{"-1", "60001", "9999999", "soon", " "} {
		result, at := try(t, "getProviderStatus", newCall(), pushback(never), statusAnswer(t))
		assert.Equal(t, "error", result["status"], never)
		assert.Len(t, at, 1, never)
	}
}
