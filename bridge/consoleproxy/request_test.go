package consoleproxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/consoleproxy"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/testserver/fake"
)

// someone is a provider's address.
const someone = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"

// gateway is a Reacher of one provider, whose REST gateway the test plays.
type gateway func(*http.Request) (*http.Response, error)

func (g gateway) RoundTrip(r *http.Request) (*http.Response, error) { return g(r) }

func (g gateway) Reach(_ context.Context, r provider.Request) (*provider.Endpoint, error) {
	host := "provider.example.com:8443"
	if r.HostURI != "" {
		host = strings.TrimPrefix(r.HostURI, "https://")
	}
	return &provider.Endpoint{Method: provider.REST, Addr: host, HostURI: "https://" + host, Transport: g}, nil
}

// says returns a gateway that gives the answers in turn, the last one for ever, and
// counts the requests.
func says(answers ...string) (gateway, *atomic.Int32) {
	asked := new(atomic.Int32)
	return func(*http.Request) (*http.Response, error) {
		answer := answers[min(int(asked.Add(1)), len(answers))-1]
		status, body, _ := strings.Cut(answer, " ")
		if status == "lost" {
			return nil, errors.New("connection reset by peer")
		}
		w := httptest.NewRecorder()
		w.WriteHeader(map[string]int{"200": 200, "302": 302, "401": 401, "500": 500, "502": 502, "503": 503}[status])
		io.WriteString(w, body)
		return w.Result(), nil
	}, asked
}

func message(more object) object {
	m := object{"method": "GET", "url": "https://provider.example.com:8443/status", "providerAddress": someone}
	for name, value := range more {
		m[name] = value
	}
	return m
}

// Console shows a provider's status, a lease's status, and sends a manifest.
func TestConsolesRequests(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1}, consoleproxy.Options{})
	response, text := w.post(t, w.to("/status", object{"method": "GET"}), "Origin", "https://console.example")
	require.Equal(t, http.StatusOK, response.StatusCode, text)
	assert.Equal(t, "application/json; charset=UTF-8", response.Header.Get("Content-Type"))
	assert.Equal(t, "https://console.example", response.Header.Get("Access-Control-Allow-Origin"))
	assert.Contains(t, text, `"cluster"`)

	response, text = w.post(t, w.to(w.lease("status"), object{"method": "GET", "auth": w.jwt(), "timeout": 5000}))
	require.Equal(t, http.StatusOK, response.StatusCode, text)
	assert.Contains(t, text, `"services"`)

	response, text = w.post(t, w.to(w.lease("status"), object{"method": "GET"}))
	assert.Equal(t, http.StatusUnauthorized, response.StatusCode, text)

	manifest, err := w.client.Get(w.ready.Control + "/manifest")
	require.NoError(t, err)
	body, err := io.ReadAll(manifest.Body)
	manifest.Body.Close()
	require.NoError(t, err)
	response, text = w.post(t, w.to("/deployment/"+number(w.ready.Lease.DSeq)+"/manifest", object{"method": "PUT", "body": string(body), "auth": w.jwt()}))
	assert.Equal(t, http.StatusOK, response.StatusCode, text)
}

// Older clients have a client certificate instead of a token.
func TestARequestWithAClientCertificate(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1}, consoleproxy.Options{})
	certificate, err := os.ReadFile(w.ready.ClientCertFile)
	require.NoError(t, err)
	key, err := os.ReadFile(w.ready.ClientKeyFile)
	require.NoError(t, err)
	auth := object{"type": "mtls", "certPem": string(certificate), "keyPem": string(key)}
	response, text := w.post(t, w.to(w.lease("status"), object{"method": "GET", "auth": auth}))
	require.Equal(t, http.StatusOK, response.StatusCode, text)

	auth["keyPem"] = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"
	response, text = w.post(t, w.to(w.lease("status"), object{"method": "GET", "auth": auth}))
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	assert.Contains(t, issuesOf(t, text), "auth.keyPem")
}

// A caller cannot have the bridge connect to a host that is not the provider's.
func TestTheURLsHostMustBeTheProviders(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Providers: 2}, consoleproxy.Options{})
	other := w.ready.Providers[1]
	for _, url := range []string{other.HostURI + "/status", "https://localhost:1/status", "https://localhost/status", "https://127.0.0.1.nip.example/status"} {
		response, text := w.post(t, w.to("", object{"method": "GET", "url": url, "auth": w.jwt()}))
		assert.Equal(t, http.StatusBadRequest, response.StatusCode, url)
		assert.Equal(t, object{"reason": "invalid"}, issuesOf(t, text)["url"], text)
		assert.Equal(t, "notAllowed", response.Header.Get("Akash-Error"))
	}
	assert.Empty(t, w.seen(t))

	override := newWorld(t, fake.Options{Seed: 1}, consoleproxy.Options{AllowHostOverride: true})
	url := strings.Replace(override.ready.HostURI, "localhost", "localhost.localhost", 1)
	response, _ := override.post(t, override.to("", object{"method": "GET", "url": url + "/status"}))
	assert.NotEqual(t, http.StatusBadRequest, response.StatusCode, "the operator allows other hosts")
}

// A token goes out only after the server has shown the provider's certificate.
func TestATokenWaitsForTheCertificate(t *testing.T) {
	for fault, code := range map[string]string{
		"cert-absent": "unknownCertificate", "cert-revoked": "unknownCertificate", "cert-other-key": "fingerprintMismatch",
		"cert-expired": "expired", "cert-not-yet-valid": "validInFuture", "cert-foreign": "unknownCertificate", "cert-not-self-signed": "notSelfSigned",
	} {
		t.Run(fault, func(t *testing.T) {
			w := newWorld(t, fake.Options{Seed: 1}, consoleproxy.Options{})
			require.NoError(t, w.fake.SetFault(fault, ""))
			response, text := w.post(t, w.to(w.lease("status"), object{"method": "GET", "auth": w.jwt()}))
			assert.Equal(t, 495, response.StatusCode)
			assert.Equal(t, "Invalid certificate error: "+code, text)

			s := w.dial(t, "/ws")
			s.send(w.to(w.lease("logs"), object{"type": "websocket", "auth": w.jwt()}))
			assert.Equal(t, object{"type": "websocket", "message": "", "closed": true, "code": 1008.0, "reason": "invalidCertificate." + code}, s.next())
			assert.Empty(t, w.seen(t), "the provider got a request")
		})
	}
}

// Only a GET is tried again, and only after a failure that may pass.
func TestOnlyGETsAreTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		method  string
		answers []string
		asked   int32
		status  int
		body    string
	}{
		{"502 once", "GET", []string{"502 ", "200 fine"}, 2, 200, "fine"},
		{"lost once", "GET", []string{"lost", "200 fine"}, 2, 200, "fine"},
		{"503 for long", "GET", []string{"503 busy"}, 4, 503, "busy"},
		{"refused", "GET", []string{"401 no"}, 1, 401, "no"},
		{"502 to a PUT", "PUT", []string{"502 bad", "200 fine"}, 1, 502, "bad"},
		{"a lost POST", "POST", []string{"lost", "200 fine"}, 1, 503, "Provider https://provider.example.com:8443 is temporarily unavailable"},
		{"500 to a PUT", "PUT", []string{"500 panic"}, 1, 503, "Provider https://provider.example.com:8443 is temporarily unavailable"},
		{"a wrong manifest", "PUT", []string{"500 manifest cross-validation error: group"}, 1, 400, "manifest cross-validation error: group"},
		{"a wrong hostname", "PUT", []string{"500 hostname not allowed: x"}, 1, 400, "hostname not allowed: x"},
		{"a redirect", "GET", []string{"302 elsewhere"}, 1, 302, "elsewhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, asked := says(c.answers...)
			p := serve(t, consoleproxy.Options{Reacher: g})
			response, text := p.post(t, message(object{"method": c.method, "body": "{}"}))
			assert.Equal(t, c.status, response.StatusCode)
			assert.Equal(t, c.body, text)
			assert.Equal(t, c.asked, asked.Load())
		})
	}
}

// A provider that is silent for the request's timeout is asked again.
func TestATimeoutIsOfEachAttempt(t *testing.T) {
	var asked atomic.Int32
	g := gateway(func(r *http.Request) (*http.Response, error) {
		if asked.Add(1) == 1 {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		w := httptest.NewRecorder()
		io.WriteString(w, "fine")
		return w.Result(), nil
	})
	p := serve(t, consoleproxy.Options{Reacher: g})
	response, text := p.post(t, message(object{"timeout": 50}))
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Equal(t, "fine", text)
	assert.EqualValues(t, 2, asked.Load())
}

// A request ends at the provider when its client leaves.
func TestALeavingClientEndsItsRequest(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	g := gateway(func(r *http.Request) (*http.Response, error) {
		close(arrived)
		<-r.Context().Done()
		close(ended)
		return nil, r.Context().Err()
	})
	statuses := make(chan int, 1)
	p := serve(t, consoleproxy.Options{Reacher: g, Observe: func(_ string, status int) { statuses <- status }})
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/", strings.NewReader(`{"method":"GET","url":"https://provider.example.com:8443/","providerAddress":"`+someone+`"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	go func() {
		<-arrived
		leave()
	}()
	_, err = p.client.Do(req)
	require.Error(t, err)
	<-ended
	assert.Equal(t, 499, <-statuses)
}

// An answer that breaks off does not look complete to the client.
func TestABrokenAnswerIsCutOff(t *testing.T) {
	g := gateway(func(r *http.Request) (*http.Response, error) {
		body, out := io.Pipe()
		go func() {
			io.WriteString(out, "half of")
			out.CloseWithError(io.ErrUnexpectedEOF)
		}()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: r}, nil
	})
	p := serve(t, consoleproxy.Options{Reacher: g})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/", strings.NewReader(`{"method":"GET","url":"https://provider.example.com:8443/","providerAddress":"`+someone+`"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(req)
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	assert.Error(t, err)
}

// A provider cannot set cookies or policies on the bridge's origin.
func TestHeadersOfAnAnswer(t *testing.T) {
	g := gateway(func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		assert.Empty(t, r.Header.Get("Cookie"))
		assert.Empty(t, r.Header.Get("Origin"))
		w := httptest.NewRecorder()
		for name, value := range map[string]string{
			"Content-Type": "text/html", "X-Custom-Header": "test", "Set-Cookie": "a=b", "Location": "https://elsewhere.example",
			"Access-Control-Allow-Origin": "*", "Content-Security-Policy": "default-src *", "Clear-Site-Data": "*",
		} {
			w.Header().Set(name, value)
		}
		io.WriteString(w, "<script>")
		return w.Result(), nil
	})
	p := serve(t, consoleproxy.Options{Reacher: g})
	response, _ := p.post(t, message(nil), "Cookie", "session=1", "Origin", "https://console.example")
	assert.Equal(t, "text/html", response.Header.Get("Content-Type"))
	assert.Equal(t, "test", response.Header.Get("X-Custom-Header"))
	assert.Equal(t, []string{"https://console.example"}, response.Header.Values("Access-Control-Allow-Origin"))
	assert.Equal(t, []string{"default-src 'none'; sandbox"}, response.Header.Values("Content-Security-Policy"))
	for _, name := range []string{"Set-Cookie", "Location", "Clear-Site-Data"} {
		assert.Empty(t, response.Header.Values(name), name)
	}
}

// Requests that no provider should see are refused, with a list of what is wrong.
func TestWrongRequests(t *testing.T) {
	g, asked := says("200 fine")
	p := serve(t, consoleproxy.Options{Reacher: g})
	for _, c := range []struct {
		path string
		more object
	}{
		{"method", object{"method": "PATCH"}},
		{"method", object{"method": nil}},
		{"timeout", object{"timeout": -1}},
		{"timeout", object{"timeout": "soon"}},
		{"url", object{"url": nil}},
		{"url", object{"url": "http://provider.example.com:8443/"}},
		{"url", object{"url": "https://10.0.0.1:8443/"}},
		{"url", object{"url": "https://[fe80::1]:8443/"}},
		{"url", object{"url": "https://provider.local/"}},
		{"url", object{"url": "https://user:secret@provider.example.com:8443/"}},
		{"url", object{"url": "https://provider.example.com:8444/"}},
		{"url", object{"url": "https://other.example.com:8443/"}},
		{"providerAddress", object{"providerAddress": "akash1nobody"}},
		{"auth.type", object{"auth": object{"type": "basic"}}},
		{"auth.token", object{"auth": object{"type": "jwt", "token": "testst"}}},
		{"auth.token", object{"auth": object{"type": "jwt", "token": "a.e30.b"}}},
		{"auth.certPem", object{"auth": object{"type": "mtls", "certPem": "x", "keyPem": "y"}}},
	} {
		response, text := p.post(t, message(c.more))
		assert.Equal(t, http.StatusBadRequest, response.StatusCode, c.more)
		assert.Contains(t, issuesOf(t, text), c.path, c.more)
		assert.NotContains(t, text, "secret")
	}
	for contentType, body := range map[string]string{"application/json": `{"method"`, "text/plain": `{}`, "application/json; charset=utf-8": `[]`} {
		response, _ := p.send(t, http.MethodPost, "/", strings.NewReader(body), "Content-Type", contentType)
		assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	}
	response, _ := p.send(t, http.MethodPost, "/", io.LimitReader(spaces{}, 5<<20), "Content-Type", "application/json")
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	assert.Zero(t, asked.Load())
}

type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// A client renews a token when it reads that the old one has expired.
func TestAnExpiredToken(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1}, consoleproxy.Options{})
	auth := object{"type": "jwt", "token": w.ready.ExpiredJWT}
	response, text := w.post(t, w.to(w.lease("status"), object{"method": "GET", "auth": auth}))
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	assert.Equal(t, object{"errors": []any{"Token has expired"}}, issuesOf(t, text)["auth.token"])
	s := w.dial(t, "/")
	s.send(w.to(w.lease("logs"), object{"type": "websocket", "auth": auth}))
	assert.Equal(t, object{"type": "websocket", "error": "tokenExpired"}, s.next())
	assert.Empty(t, w.seen(t))
}

// unreachable is a Reacher that reaches nobody.
type unreachable struct{ err error }

func (u unreachable) Reach(context.Context, provider.Request) (*provider.Endpoint, error) {
	return nil, u.err
}

func TestStatusesOfFailures(t *testing.T) {
	for _, c := range []struct {
		code   codes.Code
		reason rpcerror.Reason
		status int
		text   string
	}{
		{codes.FailedPrecondition, rpcerror.ReasonNotYetValid, 495, "Invalid certificate error: validInFuture"},
		{codes.NotFound, rpcerror.ReasonHostNotFound, 503, "Provider https://provider.example.com:8443 is temporarily unavailable"},
		{codes.Internal, rpcerror.ReasonProviderProtocol, 400, "Could not establish tls connection since server responded with non-tls response"},
		{codes.NotFound, rpcerror.ReasonUnknownProvider, 400, "providerAddress"},
		{codes.PermissionDenied, rpcerror.ReasonDestinationRefused, 400, `"url"`},
		{codes.Unauthenticated, rpcerror.ReasonCertificateNotOnChain, 400, "certPem"},
	} {
		p := serve(t, consoleproxy.Options{Reacher: unreachable{rpcerror.New(c.code, c.reason, "so it is")}})
		response, text := p.post(t, message(nil))
		assert.Equal(t, c.status, response.StatusCode, c.reason)
		assert.Contains(t, text, c.text)
		assert.Equal(t, string(c.reason), response.Header.Get("Akash-Error"))
	}
}

// Pages of other origins get nothing, and those of allowed ones pass their preflight.
func TestOrigins(t *testing.T) {
	g, asked := says("200 fine")
	p := serve(t, consoleproxy.Options{Reacher: g})
	for _, path := range []string{"/", "/provider-proxy", "/provider-proxy/", "/status", "/provider-proxy/status", "/ws"} {
		method := http.MethodPost
		if strings.HasSuffix(path, "/status") {
			method = http.MethodGet
		}
		headers := []string{"Origin", "https://evil.example", "Content-Type", "application/json"}
		if path == "/ws" {
			method, headers = http.MethodGet, append(headers, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
		}
		response, _ := p.send(t, method, path, nil, headers...)
		assert.Equal(t, http.StatusForbidden, response.StatusCode, path)
		assert.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))
	}
	assert.Zero(t, asked.Load())
	response, _ := p.send(t, http.MethodOptions, "/", nil, "Origin", "https://console.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,baggage")
	assert.Equal(t, http.StatusNoContent, response.StatusCode)
	assert.Equal(t, "https://console.example", response.Header.Get("Access-Control-Allow-Origin"))
	assert.Contains(t, response.Header.Get("Access-Control-Allow-Methods"), "POST")
	assert.Equal(t, "content-type,baggage", response.Header.Get("Access-Control-Allow-Headers"))
}

// Beyond its limit the bridge refuses, and does not queue.
func TestTheLimitOfOpenCalls(t *testing.T) {
	g, asked := says("200 fine")
	busy := rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonBridgeBusy, "too many calls")
	p := serve(t, consoleproxy.Options{Reacher: g, Admit: func(*http.Request) (func(), error) { return nil, busy }})
	response, text := p.post(t, message(nil))
	assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	assert.Equal(t, "too many calls", text)
	assert.Equal(t, "bridgeBusy", response.Header.Get("Akash-Error"))
	assert.Zero(t, asked.Load())
}

// late is a Reacher that finds the provider at the second attempt only.
type late struct {
	gateway
	attempts atomic.Int32
}

func (l *late) Reach(ctx context.Context, r provider.Request) (*provider.Endpoint, error) {
	if l.attempts.Add(1) == 1 {
		return nil, rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable, "no chain node answered")
	}
	return l.gateway.Reach(ctx, r)
}

// A chain node that fails once delays a request, and nothing worse.
func TestARequestOutlivesAnOutageOfTheChain(t *testing.T) {
	g, _ := says("200 fine")
	p := serve(t, consoleproxy.Options{Reacher: &late{gateway: g}})
	response, text := p.post(t, message(nil))
	assert.Equal(t, http.StatusOK, response.StatusCode, text)

	p = serve(t, consoleproxy.Options{Reacher: &late{gateway: g}})
	response, _ = p.post(t, message(object{"method": "POST"}))
	assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	assert.Equal(t, "chainUnavailable", response.Header.Get("Akash-Error"))
}
