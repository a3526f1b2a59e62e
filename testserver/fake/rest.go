package fake

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
)

// contentJSON is the content type in the REST gateway's spelling.
const contentJSON = "application/json; charset=UTF-8"

// restHandler implements the REST gateway (proto/akash-provider-api.md, section 2): no
// CORS, no body limit, and 405 without a body for a wrong method.
func (p *provider) restHandler() http.Handler {
	routes := http.NewServeMux()
	public := func(route string, handler http.HandlerFunc) {
		routes.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			// No credential is needed here, but an invalid one is refused.
			if _, refused := p.authenticateRequest(r); refused != nil {
				writeRefusal(w, refused)
				return
			}
			handler(w, r)
		})
	}
	public("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		if p.faults.has(FaultKubeDown) {
			p.writeClusterError(w, http.StatusServiceUnavailable, kubeUnreachable)
			return
		}
		p.writeJSON(w, p.version.json())
	})
	public("GET /address", func(w http.ResponseWriter, _ *http.Request) {
		p.writeJSON(w, map[string]string{"address": p.address()})
	})
	public("GET /status", func(w http.ResponseWriter, _ *http.Request) { p.writeJSON(w, p.statusJSON()) })
	p.routeLeases(routes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.enter() {
			return
		}
		defer p.requests.Done()
		_, route := routes.Handler(r)
		if route == "" {
			route = r.Method + " " + r.URL.Path
		}
		socket := p.recordREST(r)
		if !socket { // WebSockets are counted by their handlers
			defer p.counters.open(r.Context(), route)()
		}
		if p.faults.has(FaultHangHeaders) {
			w.Header().Set("Content-Type", contentJSON)
			w.WriteHeader(http.StatusOK)
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		if p.answers.serve(w, r) {
			return
		}
		routes.ServeHTTP(&quiet405{ResponseWriter: w}, r)
	})
}

// statusJSON returns /status as changed by faults.
func (p *provider) statusJSON() statusJSON {
	s := p.board.inventory().json(p.version, p.address())
	s.Verification = p.verified.Load()
	if p.faults.has(FaultNoCluster) {
		s.Cluster = nil
	}
	if p.faults.has(FaultOversized) {
		s.PublicHostname = strings.Repeat("x", oversize)
	}
	return s
}

// writeJSON answers 200 with a value.
func (p *provider) writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", contentJSON)
	if p.faults.has(FaultNonsense) {
		io.WriteString(w, `{"cluster":[[[`)
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Write(body)
}

// recordREST records a request for tests, and reports whether it requests a WebSocket.
func (p *provider) recordREST(r *http.Request) (socket bool) {
	entry := Request{
		Method:        r.Method + " " + r.URL.Path,
		Protocol:      "rest",
		Authorization: r.Header.Get("Authorization") != "",
		ClientCert:    r.TLS != nil && len(r.TLS.PeerCertificates) > 0,
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		entry.Protocol = "ws"
	}
	for name := range r.Header {
		entry.Metadata = append(entry.Metadata, strings.ToLower(name))
	}
	p.counters.record(entry)
	return entry.Protocol == "ws"
}

// quiet405 removes the body that net/http writes with a 405, since the gateway's
// router writes none.
type quiet405 struct {
	http.ResponseWriter
	silent bool
}

func (w *quiet405) WriteHeader(code int) {
	if code == http.StatusMethodNotAllowed {
		w.silent = true
		w.Header().Del("Content-Type")
		w.Header().Del("X-Content-Type-Options")
		w.Header().Del("Allow")
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *quiet405) Write(b []byte) (int, error) {
	if w.silent {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Hijack implements http.Hijacker, which WebSocket upgrades need.
func (w *quiet405) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap serves http.ResponseController.
func (w *quiet405) Unwrap() http.ResponseWriter { return w.ResponseWriter }
