package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"

	"akash-provider-web/bridge/provider"
	marketv1 "akash-provider-web/proto/akash/market/v1"
)

// leaseGateway is a gateway with one lease, 1234/1/1, whose status and logs a
// test writes.
type leaseGateway struct {
	t testing.TB
	*provider.Endpoint

	mu      sync.Mutex
	status  http.HandlerFunc
	opened  []http.Request // upgrades, in order
	sockets []func(*stream)
	ready   chan *stream // sockets that no function was given for

	// Each pod's log: what the last socket that included the pod has sent.
	written map[string][]string
	writer  map[string]*stream
	probes  []string         // queries of reads beside a log
	look    http.HandlerFunc // answers those of a last line, if set
}

// newLeaseGateway starts a gateway whose lease has the given services.
func newLeaseGateway(t testing.TB, lease services) *leaseGateway {
	g := &leaseGateway{t: t, ready: make(chan *stream, 16), written: make(map[string][]string), writer: make(map[string]*stream)}
	g.setStatus(lease)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /lease/1234/1/1/status", func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		status := g.status
		g.mu.Unlock()
		status(w, r)
	})
	mux.HandleFunc("GET /lease/1234/1/1/logs", g.serveSocket)
	mux.HandleFunc("GET /lease/1234/1/1/kubeevents", g.serveSocket)
	g.Endpoint = gatewayOf(t, mux)
	return g
}

func (g *leaseGateway) serveSocket(w http.ResponseWriter, r *http.Request) {
	assert.Empty(g.t, r.Header.Get("Origin"))
	if g.look != nil && r.URL.Query().Get("tail") == "1" {
		g.look(w, r)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	s := &stream{g: g, conn: conn, done: make(chan struct{})}
	g.mu.Lock()
	if query := r.URL.Query(); query.Get("follow") == "false" && (query.Get("tail") == "1" || len(g.opened) > 0 && g.opened[0].URL.Query().Get("follow") == "true") {
		g.probes = append(g.probes, r.URL.RawQuery)
		g.mu.Unlock()
		g.serveProbe(s, query)
		return
	}
	n := len(g.opened)
	g.opened = append(g.opened, *r)
	var serve func(*stream)
	if n < len(g.sockets) {
		serve = g.sockets[n]
	}
	g.mu.Unlock()
	if serve != nil {
		serve(s)
		return
	}
	g.ready <- s
	<-s.done
}

// serveProbe sends the end of the logs of a service's pods.
func (g *leaseGateway) serveProbe(s *stream, query url.Values) {
	tail, err := strconv.Atoi(query.Get("tail"))
	assert.NoError(g.t, err)
	g.mu.Lock()
	defer g.mu.Unlock()
	for pod, lines := range g.written {
		if query.Get("service") == "" || strings.HasPrefix(pod, query.Get("service")+"-") {
			for _, line := range lines[max(len(lines)-tail, 0):] {
				_ = s.conn.Write(context.Background(), websocket.MessageText, []byte(line))
			}
		}
	}
}

// answerStatus sets the handler of the lease's status.
func (g *leaseGateway) answerStatus(h http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status = h
}

// services are the services of a lease by name.
type services map[string]leaseService

// pods is a service of which n pods run, as they should.
func pods(n int32) leaseService {
	return leaseService{Available: n, Total: n, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
}

// setStatus sets the services of the lease's status.
func (g *leaseGateway) setStatus(lease services) {
	body := make(map[string]any)
	for name, s := range lease {
		body[name] = map[string]any{
			"name": name, "available": s.Available, "total": s.Total, "uris": nil,
			"replicas": s.Replicas, "observed_generation": s.ObservedGeneration,
			"updated_replicas": s.UpdatedReplicas, "ready_replicas": s.ReadyReplicas, "available_replicas": s.AvailableReplicas,
		}
	}
	text, err := json.Marshal(map[string]any{"services": body, "forwarded_ports": nil, "ips": nil})
	assert.NoError(g.t, err)
	g.answerStatus(says(http.StatusOK, string(text)))
}

// stream is the provider's side of a WebSocket.
type stream struct {
	g    *leaseGateway
	conn *websocket.Conn
	done chan struct{}
}

// line sends a log line of a pod.
func (s *stream) line(pod, format string, args ...any) {
	message, err := json.Marshal(struct {
		Name    string `json:"name"`
		Message string `json:"message"`
	}{pod, fmt.Sprintf(format, args...)})
	if err == nil {
		s.g.mu.Lock()
		if s.g.writer[pod] != s {
			s.g.writer[pod], s.g.written[pod] = s, nil
		}
		s.g.written[pod] = append(s.g.written[pod], string(message)+"\n")
		s.g.mu.Unlock()
		s.raw(string(message) + "\n")
	}
}

// raw sends a frame.
func (s *stream) raw(text string) {
	_ = s.conn.Write(context.Background(), websocket.MessageText, []byte(text))
}

// drop ends the socket as gateways do at the end of a log, without a frame.
func (s *stream) drop() {
	_ = s.conn.CloseNow()
	s.end()
}

// close ends the socket with a close frame.
func (s *stream) close(code websocket.StatusCode, reason string) {
	_ = s.conn.Close(code, reason)
	s.end()
}

func (s *stream) end() {
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}

// testLease is the lease that the tests use.
func testLease() *marketv1.LeaseID {
	return &marketv1.LeaseID{Owner: testOwner, Dseq: 1234, Gseq: 1, Oseq: 1, Provider: testProvider}
}

// logBook has the lines that arrived of each replica.
type logBook map[string]string

// text joins lines into the text of a log.
func text(lines ...string) string { return strings.Join(lines, "\n") + "\n" }
