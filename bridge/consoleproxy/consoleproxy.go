// Package consoleproxy serves the protocol of Akash Console's provider proxy
// (https://github.com/akash-network/console, apps/provider-proxy), so that its clients
// can use the bridge instead: POST / relays a request to a provider's REST gateway, and
// a WebSocket relays one of the provider's.
//
// Unlike that proxy, it takes a provider's host from the chain, sends a credential only
// to a server whose certificate it has verified, and holds a bounded amount of data.
package consoleproxy

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trace"
)

// prefix is where the protocol is served besides /.
const prefix = "/provider-proxy"

// Options are the settings of a Handler. Reacher, Origins and Metadata are required.
type Options struct {
	Reacher provider.Reacher
	// Origins are the web origins that may call.
	Origins *guard.Origins
	// Metadata says which headers of a provider's answer are passed on.
	Metadata *guard.Metadata
	// AllowHostOverride lets callers name a host that is not the one of the provider's
	// record.
	AllowHostOverride bool
	// Admit counts a request or a WebSocket as open until release is called, or returns
	// an error if too many are. nil admits all.
	Admit func(r *http.Request) (release func(), err error)
	// Observe is called with each result: the kind is "request" or "socket", and the
	// status the HTTP status of a request, or 101. nil means no calls.
	Observe func(kind string, status int)
	// Failed is called with the reason of each error of the bridge. nil means no calls.
	Failed func(rpcerror.Reason)
	// Opened is called for each WebSocket, and closed when it ends. nil means no calls.
	Opened func() (closed func())
	// Stopping ends WebSockets when it is canceled. nil means never.
	Stopping context.Context
	// Logger logs requests; nil disables logging.
	Logger *slog.Logger
	// Now is the clock that credentials are judged by; nil means [time.Now].
	Now func() time.Time
}

// Handler serves the protocol.
type Handler struct {
	options Options
	stats   stats
}

// New returns a Handler.
func New(o Options) *Handler {
	if o.Admit == nil {
		o.Admit = func(*http.Request) (func(), error) { return func() {}, nil }
	}
	if o.Observe == nil {
		o.Observe = func(string, int) {}
	}
	if o.Failed == nil {
		o.Failed = func(rpcerror.Reason) {}
	}
	if o.Opened == nil {
		o.Opened = func() func() { return func() {} }
	}
	if o.Stopping == nil {
		o.Stopping = context.Background()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Handler{options: o}
}

// Serves reports whether a request is one of this protocol. Below /provider-proxy all
// paths of the protocol are; at the root only what cannot be meant for anything else.
func (h *Handler) Serves(r *http.Request) bool {
	path, prefixed := route(r)
	switch path {
	case "/":
		return prefixed || r.Method == http.MethodPost && !isGRPC(r) || r.Method == http.MethodOptions || isUpgrade(r)
	case "/ws":
		return prefixed || isUpgrade(r)
	case "/status":
		return prefixed || r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	return false
}

// route returns the path of a request within the protocol.
func route(r *http.Request) (path string, prefixed bool) {
	path, prefixed = strings.CutPrefix(r.URL.Path, prefix)
	if prefixed && path == "" {
		path = "/"
	}
	return path, prefixed
}

func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// isGRPC reports whether a request is a call of gRPC or gRPC-Web, whose clients need an
// answer in their protocol even at a path that has no method.
func isGRPC(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/grpc")
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Origin")
	if !h.options.Origins.Admits(r) {
		writeText(w, http.StatusForbidden, "This bridge does not serve pages of this origin. Its operator can allow them: --allow-origin.")
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", headerError+", "+trace.Header)
	}
	path, _ := route(r)
	switch {
	case r.Method == http.MethodOptions:
		preflight(w, r)
	case isUpgrade(r) && path != "/status":
		h.serveSocket(w, r)
	case path == "/status" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		writeJSON(w, http.StatusOK, h.stats.report())
	case path == "/" && r.Method == http.MethodPost:
		h.serveRequest(w, r)
	default:
		w.Header().Set("Allow", "POST, OPTIONS")
		writeText(w, http.StatusMethodNotAllowed, "The provider proxy takes requests by POST, and WebSockets.")
	}
}

// preflight answers an OPTIONS request of an allowed origin.
func preflight(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	header.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		// Clients add headers of their own, such as for tracing, which are ignored.
		header.Set("Access-Control-Allow-Headers", asked)
		header.Add("Vary", "Access-Control-Request-Headers")
	}
	header.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
