// Package edge receives calls, in each of the protocols that clients use: gRPC-Web,
// gRPC over HTTP/2, and Connect. It finds out which protocol a request uses, and which
// provider its path names. It does not know what the calls mean.
package edge

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/edge/chainsdk"
	"akash-provider-web/bridge/edge/connect"
	"akash-provider-web/bridge/edge/native"
	"akash-provider-web/bridge/grpcweb"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
)

// Request headers, in canonical form.
const (
	// headerProvider names a call's provider.
	headerProvider = "Akash-Provider"
	// headerLease says which LeaseRPC the client speaks, since two have the same name:
	// dialectAEP37, which is the default, or dialectSDK.
	headerLease = "Akash-Lease-Rpc"
)

const (
	dialectAEP37 = "aep37"
	dialectSDK   = "sdk"
)

// sdkSegment follows the provider in the paths of clients that speak the SDK's
// LeaseRPC.
const sdkSegment = "/chain-sdk/"

// Options configure Handler.
type Options struct {
	// Origins are the web origins that may call.
	Origins *guard.Origins
	// Method describes the method at a path, for calls whose messages are in JSON; nil
	// describes none.
	Method func(path string) (m connect.Method, ok bool)
	// MaxRequest is the size limit of a request's message, in bytes.
	MaxRequest int
	// Arrival bounds the time that a request's body may take to arrive; 0 means
	// grpcweb.DefaultArrival.
	Arrival time.Duration
	// Calls, if set, counts the answers that continue after ServeHTTP has returned.
	Calls *sync.WaitGroup
	// Requests, if set, ends calls over WebSockets with its cause, as http.Server.BaseContext
	// does other requests.
	Requests context.Context
}

// Handler returns a handler that answers calls with next.
func Handler(next relay.Server, o Options) http.Handler {
	if o.Arrival == 0 {
		o.Arrival = grpcweb.DefaultArrival
	}
	if o.Method == nil {
		o.Method = func(string) (m connect.Method, ok bool) { return m, false }
	}
	next = &addressed{next: next, maxMessage: o.MaxRequest}
	describe := func(r *http.Request) (connect.Method, bool) {
		if t := targetOf(r); t.sdk || r.Header.Get(headerLease) == dialectSDK {
			if input, output, streaming, ok := chainsdk.Describe(r.URL.Path); ok {
				return connect.Method{Input: input, Output: output, Streaming: streaming}, true
			}
		}
		return o.Method(r.URL.Path)
	}
	return &handler{
		origins: o.Origins,
		native:  native.Handler(next, native.Options{Arrival: o.Arrival}),
		connect: connect.Handler(next, connect.Options{
			Method:     describe,
			MaxRequest: o.MaxRequest,
			Arrival:    o.Arrival,
		}),
		web: grpcweb.Handler(next, grpcweb.Options{
			Origins:    o.Origins,
			MaxRequest: o.MaxRequest,
			Arrival:    o.Arrival,
			Calls:      o.Calls,
			Requests:   o.Requests,
		}),
	}
}

type handler struct {
	origins              *guard.Origins
	native, connect, web http.Handler
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if t, ok := parse(r.URL.Path); ok && t.provider != "" {
		r = t.of(r)
	}
	door := h.door(r)
	// The gRPC-Web handler checks origins itself, since it answers preflights, too.
	if door != h.web && !h.origins.Check(w, r) {
		return
	}
	door.ServeHTTP(w, r)
}

// door returns the handler of the protocol that r uses.
func (h *handler) door(r *http.Request) http.Handler {
	if r.Method != http.MethodPost {
		return h.web
	}
	contentType := r.Header.Get("Content-Type")
	switch {
	case native.Speaks(contentType):
		return h.native
	case connect.Speaks(contentType):
		return h.connect
	}
	return h.web
}

// IsMethodPath reports whether path has the form of a gRPC method,
// /package.Service/Method, with or without a provider before it.
func IsMethodPath(path string) bool {
	t, ok := parse(path)
	return ok && strings.Contains(t.method[:strings.LastIndexByte(t.method, '/')], ".")
}

// MethodOf returns the method in a path that IsMethodPath is true for.
func MethodOf(path string) string {
	t, _ := parse(path)
	return t.method
}

// target is what a call's path says.
type target struct {
	provider string // "" if the path names none
	sdk      bool   // the client speaks the SDK's LeaseRPC
	method   string // /package.Service/Method
}

// parse splits a path of the form /package.Service/Method,
// /akash1…/package.Service/Method or /akash1…/chain-sdk/package.Service/Method.
func parse(path string) (target, bool) {
	t := target{method: path}
	if strings.HasPrefix(path, "/"+addressPrefix) {
		if i := strings.IndexByte(path[1:], '/'); i >= 0 {
			t.provider, t.method = path[1:1+i], path[1+i:]
			if rest, ok := strings.CutPrefix(t.method, sdkSegment); ok {
				t.sdk, t.method = true, "/"+rest
			}
		}
	}
	service, method, ok := strings.Cut(strings.TrimPrefix(t.method, "/"), "/")
	return t, ok && service != "" && method != "" && !strings.Contains(method, "/")
}

// addressPrefix begins every address. No package of the services that the bridge knows
// begins with it.
const addressPrefix = "akash1"

type targetKey struct{}

// of returns r as a request without the provider in its path. The provider is kept in
// the context, because the headers of a call over a WebSocket arrive later than its
// path.
func (t target) of(r *http.Request) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), targetKey{}, t))
	r.URL = &url.URL{Path: t.method}
	return r
}

// targetOf returns what the path of a call said, or nothing.
func targetOf(r *http.Request) target {
	t, _ := r.Context().Value(targetKey{}).(target)
	return t
}

// addressed is a relay.Server that does what a call's path says: it passes the
// provider on as a header, and converts the calls of SDK clients.
type addressed struct {
	next       relay.Server
	maxMessage int
}

// ServeRPC implements relay.Server.
func (s *addressed) ServeRPC(w relay.Response, r *http.Request) {
	t := targetOf(r)
	if t.provider != "" {
		if slices.ContainsFunc(r.Header[headerProvider], func(a string) bool { return a != t.provider }) {
			relay.Refuse(w, rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata,
				"header akash-provider names another provider than the path does: leave one of them out"))
			return
		}
		r.Header[headerProvider] = []string{t.provider}
	}
	sdk, err := speaksSDK(t, r.Header[headerLease])
	switch {
	case err != nil:
		relay.Refuse(w, err)
	case sdk:
		chainsdk.Serve(s.next, w, r, s.maxMessage)
	default:
		s.next.ServeRPC(w, r)
	}
}

// speaksSDK reports whether a call is one of the SDK's LeaseRPC, by its path and the
// values of headerLease.
func speaksSDK(t target, dialects []string) (bool, error) {
	switch {
	case len(dialects) == 0, len(dialects) == 1 && dialects[0] == dialectAEP37 && !t.sdk:
		return t.sdk, nil
	case len(dialects) == 1 && dialects[0] == dialectSDK:
		return true, nil
	}
	return false, rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata,
		"header akash-lease-rpc is malformed: want aep37 or sdk, and sdk for a path with chain-sdk")
}
