package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// fuzzToken is a credential, which no error may repeat.
const fuzzToken = "eyJhbGciOiJFUzI1NksifQ.c2VjcmV0.c2lnbmF0dXJl"

// fuzzedGateway answers every request with a status and a body, and every WebSocket with
// the frames in it.
type fuzzedGateway struct {
	status      int
	contentType string
	body        []byte
	frames      []byte
}

func (g *fuzzedGateway) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: g.status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {g.contentType}}, Request: r}
	if key := r.Header.Get("Sec-WebSocket-Key"); key != "" {
		answer.StatusCode = http.StatusSwitchingProtocols
		answer.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {acceptKey(key)}}
		answer.Body = &fuzzedSocket{Reader: bytes.NewReader(g.frames)}
		return answer, nil
	}
	answer.Body = io.NopCloser(bytes.NewReader(g.body))
	return answer, nil
}

// fuzzedSocket is the connection of a WebSocket whose provider has sent all it will.
type fuzzedSocket struct{ *bytes.Reader }

func (fuzzedSocket) Write(p []byte) (int, error) { return len(p), nil }
func (fuzzedSocket) Close() error                { return nil }

// A fuzzedCall is a method, a request, and the type of its answer.
type fuzzedCall struct {
	method  string
	request proto.Message
	answer  func() proto.Message
	next    []proto.Message // of a stream of requests
}

// serve calls the method at a gateway and checks what comes of it.
func (c fuzzedCall) serve(t *testing.T, g *fuzzedGateway) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	a := New(Options{StatusInterval: time.Millisecond, LeaseInterval: time.Millisecond, Patience: 10 * time.Second})
	a.quietInterval, a.statusPatience = 20*time.Millisecond, 10*time.Millisecond
	call := &Call{
		Endpoint:      &provider.Endpoint{Method: provider.REST, Addr: "provider.example.com:8443", Version: "v0.14.1", HostURI: "https://provider.example.com:8443", Transport: g},
		Provider:      testProvider,
		Method:        c.method,
		Authorization: "Bearer " + fuzzToken,
		Tail:          -1,
	}
	if c.next != nil {
		requests := slices.Clone(c.next)
		call.Next = func(ctx context.Context) ([]byte, error) {
			if len(requests) == 0 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			next := requests[0]
			requests = requests[1:]
			return proto.Marshal(next)
		}
	} else {
		var err error
		call.Message, err = proto.Marshal(c.request)
		require.NoError(t, err)
	}
	sent := 0
	enough := errors.New("enough")
	err := a.Serve(ctx, call, func(message []byte) error {
		require.NoError(t, proto.Unmarshal(message, c.answer()))
		if sent++; sent > 1000 {
			return enough
		}
		return nil
	})
	require.NoError(t, ctx.Err(), "the call did not end")
	if err == nil || err == enough {
		return
	}
	var known *rpcerror.Error
	require.ErrorAs(t, err, &known)
	require.NotEqual(t, codes.OK, known.Code)
	requireShowable(t, known.Message)
}

// requireShowable requires that an error's text is a line that a page can show.
func requireShowable(t *testing.T, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	require.True(t, utf8.ValidString(text), "%q", text)
	require.Less(t, len(text), 2000)
	require.NotContains(t, text, fuzzToken)
	require.Equal(t, -1, strings.IndexFunc(text, unicode.IsControl), "%q", text)
}

// unaryCalls are methods that are answered from the body of an answer.
var unaryCalls = []fuzzedCall{
	{method: providerv1.ProviderRPC_GetStatus_FullMethodName, request: &providerv1.Status{}, answer: func() proto.Message { return new(providerv1.Status) }},
	{method: leasev1.LeaseRPC_ServiceStatus_FullMethodName, request: &leasev1.ServiceStatusRequest{LeaseId: testLease()}, answer: func() proto.Message { return new(leasev1.ServiceStatusResponse) }},
	{method: leasev1.LeaseRPC_ServiceRestart_FullMethodName, request: &leasev1.ServiceRestartRequest{LeaseId: testLease()}, answer: func() proto.Message { return new(leasev1.ServiceRestartResponse) }},
	{method: webv1.LeaseREST_GetManifest_FullMethodName, request: &webv1.GetManifestRequest{LeaseId: testLease()}, answer: func() proto.Message { return new(webv1.GetManifestResponse) }},
	{method: webv1.LeaseREST_SendManifest_FullMethodName, request: &webv1.SendManifestRequest{LeaseId: testLease(), Manifest: []byte("[]")}, answer: func() proto.Message { return new(webv1.SendManifestResponse) }},
	{method: webv1.LeaseREST_HostnameMigrate_FullMethodName, request: &webv1.HostnameMigrateRequest{LeaseId: testLease(), Hostnames: []string{"a.example"}}, answer: func() proto.Message { return new(webv1.HostnameMigrateResponse) }},
	{method: webv1.LeaseREST_AttestationQuote_FullMethodName, request: &webv1.AttestationQuoteRequest{LeaseId: testLease(), Nonce: testNonce}, answer: func() proto.Message { return new(webv1.AttestationQuoteResponse) }},
}

// Whatever a provider's REST gateway answers, a call gets a message of its type or an
// error that can be shown and has no secret.
func FuzzAnswers(f *testing.F) {
	bodies := [][]byte{
		fixture(f, "rest.status.json"), fixture(f, "rest.lease-status.json"),
		[]byte(`{"message":"no ` + fuzzToken + ` here"}`), []byte(`{"errors":["a","b"]}`), []byte(`{"services":{"web":{"available":1e99}}}`),
		[]byte("manifest cross-validation error: group"), []byte("<html>\x00\x1b[31m"), []byte("[[[[[[[[[["), []byte(`"`), nil,
		[]byte(`{"services":{"web":null},"forwarded_ports":{"web":[{"port":65536}]},"ips":{"web":[null]}}`),
		[]byte(`{"quote":"AAAA","report_data":""}`),
	}
	for i, body := range bodies {
		for method := range unaryCalls {
			f.Add(uint8(method), uint16([]int{200, 404, 401, 500, 503}[(i+method)%5]), "application/json", body)
		}
	}
	f.Fuzz(func(t *testing.T, method uint8, status uint16, contentType string, body []byte) {
		if status < 200 || status > 999 || status == 301 || status == 302 || status == 303 || status == 307 || status == 308 {
			return // http.Client would want a Location
		}
		unaryCalls[int(method)%len(unaryCalls)].serve(t, &fuzzedGateway{status: int(status), contentType: contentType, body: body})
	})
}

// socketCalls are methods that are answered from a WebSocket.
var socketCalls = []fuzzedCall{
	{method: leasev1.LeaseRPC_ServiceLogs_FullMethodName, request: &leasev1.ServiceLogsRequest{LeaseId: testLease()}, answer: func() proto.Message { return new(leasev1.ServiceLogsResponse) }},
	{method: webv1.LeaseREST_StreamLeaseEvents_FullMethodName, request: &webv1.StreamLeaseEventsRequest{LeaseId: testLease()}, answer: func() proto.Message { return new(webv1.LeaseEvent) }},
	{method: webv1.LeaseREST_StreamLeaseEvents_FullMethodName, request: &webv1.StreamLeaseEventsRequest{LeaseId: testLease(), Service: "web"}, answer: func() proto.Message { return new(webv1.LeaseEvent) }},
	{method: webv1.LeaseShell_Shell_FullMethodName, answer: func() proto.Message { return new(webv1.ShellResponse) }, next: []proto.Message{
		&webv1.ShellRequest{Request: &webv1.ShellRequest_Start{Start: &webv1.ShellStart{LeaseId: testLease(), Service: "web", Command: []string{"sh"}}}},
	}},
}

// Whatever a provider sends on a WebSocket, the same holds.
func FuzzSockets(f *testing.F) {
	lines := func(name string) (frames []byte) {
		for line := range bytes.Lines(fixture(f, name)) {
			frames = append(frames, frame(text1, string(line))...)
		}
		return frames
	}
	for _, frames := range [][]byte{
		append(lines("ws.logs.jsonl"), frame(shut1, "\x03\xe8")...),
		append(lines("ws.kubeevents.jsonl"), frame(shut1, "\x0f\xa1no running pods")...),
		[]byte(frame(text1, "\x64out") + frame(text1, "\x65err") + frame(text1, `f{"exit_code":3}`)),
		[]byte(frame(text1, `f{"exit_code":0,"message":"no such service exists with name"}`)),
		[]byte(frame(ping1, "x") + frame(text0, `{"name":"web-0",`) + frame(ping1, "") + frame(last1, `"message":"x"}`+"\n") + frame(shut1, "")),
		[]byte(frame(text1, `{"name":"web-7f8b9c6d5-x2x9p","message":"`+fuzzToken+`"}`+"\n") + frame(shut1, "\x0f\xa0"+fuzzToken)),
		[]byte(frame(text1, `{"name":"web-7f8b9c6d5-x2x9p","message":"\ud800\u0000\/"}`)),
		[]byte(frame(text1, `{"type":1,"object":[]}`) + frame(text1, "null") + frame(text1, "")),
		{0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		nil,
	} {
		for method := range socketCalls {
			f.Add(uint8(method), frames)
		}
	}
	status := fixture(f, "rest.lease-status.json")
	f.Fuzz(func(t *testing.T, method uint8, frames []byte) {
		socketCalls[int(method)%len(socketCalls)].serve(t, &fuzzedGateway{status: http.StatusOK, contentType: "application/json", body: status, frames: frames})
	})
}

// Foreign text in an error is one line that can be shown.
func FuzzWords(f *testing.F) {
	f.Add([]byte("a\r\nb\x00\u202e\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		line := words(text)
		require.LessOrEqual(t, len(line), maxWords)
		require.True(t, utf8.ValidString(line))
		for _, r := range line {
			require.True(t, unicode.IsPrint(r), "%q", line)
		}
	})
}
