package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"sync"
	"time"

	"akash-provider-web/bridge/access"
	"github.com/prometheus/client_golang/prometheus"

	"akash-provider-web/bridge/chainrpc"
	"akash-provider-web/bridge/consoleproxy"
	"akash-provider-web/bridge/edge"
	"akash-provider-web/bridge/edge/connect"
	"akash-provider-web/bridge/fanout"
	"akash-provider-web/bridge/gateway"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/internal/deep"
	"akash-provider-web/bridge/internal/flood"
	"akash-provider-web/bridge/limit"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/reflection"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rest"
	"akash-provider-web/bridge/trace"
)

// Limits on connections from browsers. Requests and answers have no time limit, since
// a stream may be open as long as the page wants.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10 // many times the size of a token and a client certificate
	pingAfter         = 30 * time.Second
	pingTimeout       = 15 * time.Second
	streamsPerConn    = 1000
	// readFrameSize is the least that RFC 9113 allows.
	readFrameSize = 16 << 10
)

// readyTimeout bounds a readiness check.
const readyTimeout = 5 * time.Second

// maxWaiting bounds the memory of the requests that wait until they are complete, in
// bytes. A request is at most 4 MiB.
const maxWaiting = 256 << 20

// server is the running bridge: its listeners and handlers.
type server struct {
	config  *config
	log     *slog.Logger
	metrics *gateway.Metrics
	ready   func(context.Context) error // nil means always ready
	chain   *chainNodes                 // nil means that there is no chain to reload
	end     *shutdown
	limits  *limit.Limiter
	proxies *limit.Proxies
	proxied sync.Once // the warning about a proxy that is not trusted

	calls    sync.WaitGroup // open calls, including those on hijacked connections
	statuses *fanout.Hub
	origins  *guard.Origins
	access   *access.Control
	call     http.Handler
	console  *consoleproxy.Handler // nil if it is off
	web      http.Handler
	exporter *trace.Exporter

	// reread reads the settings again; nil means that they cannot change.
	reread func() (*config, error)
}

// dependencies are what a server is built from.
type dependencies struct {
	reacher provider.Reacher
	// ready returns an error if calls cannot be expected to succeed; nil means always
	// ready.
	ready func(context.Context) error
	// chain are the chain's nodes, which can be replaced; nil if the reacher needs none.
	chain *chainNodes
	// web serves the dashboard and the files for script tags; nil serves none.
	web http.Handler
	// exporter gets the spans of requests; nil means nobody does.
	exporter *trace.Exporter
	// close releases the other dependencies' resources.
	close func()
}

// newServer returns a server that runs until asked is canceled.
func newServer(asked context.Context, c *config, d dependencies, log *slog.Logger) (*server, error) {
	origins, err := guard.NewOrigins(c.allowOrigins)
	if err != nil {
		return nil, err
	}
	metadata, err := guard.NewMetadata(c.forwardHeaders)
	if err != nil {
		return nil, err
	}
	proxies, err := limit.NewProxies(c.trustedProxies)
	if err != nil {
		return nil, err
	}
	control, err := access.New(access.Options{Keys: c.callerKeys, Issuer: c.oidcIssuer, Audience: c.oidcAudience})
	if err != nil {
		return nil, err
	}
	metrics := gateway.NewMetrics()
	if d.chain != nil {
		metrics.Add(d.chain)
	}
	if c, ok := d.reacher.(prometheus.Collector); ok {
		metrics.Add(c)
	}
	logOrigin := logRefused(log)
	origins.Refused = func(origin string) {
		metrics.OriginRefused()
		logOrigin(origin)
	}
	limits := limit.New(c.limits(), metrics.Limited)
	metrics.Capacity(limits.Open, limits.Max)
	end := newShutdown(asked)
	s := &server{config: c, log: log, metrics: metrics, ready: d.ready, chain: d.chain, end: end, limits: limits, proxies: proxies, web: d.web, exporter: d.exporter, origins: origins, access: control,
		statuses: fanout.New(fanout.Options{Logger: log})}
	g := gateway.New(gateway.Options{
		Reacher:           d.reacher,
		REST:              rest.New(rest.Options{Logger: log, Skipped: metrics.Skipped}),
		Statuses:          s.statuses,
		Metadata:          metadata,
		Own:               ownMethods(d.chain),
		AllowInsecure:     c.allowInsecure,
		AllowHostOverride: c.allowHostOverride,
		Access:            control,
		Limits:            limits,
		Logger:            log,
		Metrics:           metrics,
	})
	s.call = edge.Handler(
		&relay.Handler{Accept: g.Accept, Stopping: end.streams, Cutoff: end.duplex},
		edge.Options{Origins: origins, Method: describe, MaxRequest: relay.DefaultMaxMessage, Calls: &s.calls, Requests: end.requests},
	)
	if c.consoleProxy {
		s.console = consoleproxy.New(consoleproxy.Options{
			Reacher:           d.reacher,
			Origins:           origins,
			Metadata:          metadata,
			AllowHostOverride: c.allowHostOverride,
			Admit: func(r *http.Request) (release func(), err error) {
				admitted, err := g.Admit(r)
				if err != nil {
					return nil, err
				}
				return admitted.Release, nil
			},
			Observe:  metrics.Console,
			Failed:   metrics.ConsoleFailed,
			Opened:   metrics.ConsoleSocket,
			Stopping: end.streams,
			Logger:   log,
		})
	}
	return s, nil
}

// ServeHTTP answers browsers, load balancers and, if there is no separate listener for
// metrics, Prometheus.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.console != nil && s.console.Serves(r):
		s.calls.Add(1)
		defer s.calls.Done()
		s.console.ServeHTTP(w, s.identify(w, r))
	case r.Method == http.MethodPost, r.Method == http.MethodOptions, edge.IsMethodPath(r.URL.Path):
		s.serveCall(w, r)
	default:
		s.servePage(w, r)
	}
}

// servePage answers all that is no call.
func (s *server) servePage(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/healthz":
		// A page whose call failed requests this, and our public files, to find out
		// whether the bridge is down or refuses its origin
		// (npm/src/transport/diagnosis.ts): browsers do not tell pages.
		w.Header().Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" && s.origins.Allows(r) {
			w.Header().Set("Access-Control-Allow-Origin", origin)
		}
		text(w, http.StatusOK, "ok\n")
	case r.URL.Path == "/readyz":
		s.serveReady(w, r)
	case r.URL.Path == "/metrics" && s.config.metricsListen == "":
		s.serveMetrics(w, r)
	case s.web != nil:
		s.web.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// serveCall answers a call. The goroutine of a stream over HTTP/2 is the stream's until its
// end, so its stack is kept small.
func (s *server) serveCall(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	defer s.calls.Done()
	if r.ProtoMajor < 2 || !streams(r) {
		s.call.ServeHTTP(w, s.identify(w, r))
		return
	}
	deep.Serve(r.Context(), func(ctx context.Context) {
		s.call.ServeHTTP(w, s.identify(w, r.WithContext(ctx)))
	})
}

// streams reports whether the answer to a call may have any number of messages.
func streams(r *http.Request) bool {
	m, ok := gateway.Lookup(edge.MethodOf(r.URL.Path))
	return ok && m.Streaming
}

// identify returns r with a context that says who makes it, for the limits, and has its id,
// for the log. The answer has the id as well.
func (s *server) identify(w http.ResponseWriter, r *http.Request) *http.Request {
	caller := s.proxies.Caller(r)
	if (caller.Address.IsLoopback() || caller.Address.IsPrivate()) && s.proxies.Forwards(r) {
		s.proxied.Do(func() {
			s.log.Warn("calls come through a proxy that is not trusted to say who calls, so that they all count as one caller's; set --trusted-proxy if it is yours", "address", caller.Address)
		})
	}
	address := ""
	if caller.Address.IsValid() {
		address = caller.Address.String()
	}
	t := trace.New(r, address, caller.Origin, s.exporter)
	w.Header()[trace.Header] = []string{t.ID}
	return r.WithContext(trace.With(caller.With(r.Context()), t))
}

// describe describes a method for calls with JSON.
func describe(path string) (connect.Method, bool) {
	if m, ok := gateway.Lookup(path); ok {
		return connect.Method{Input: m.Input, Output: m.Output, Streaming: m.Streaming}, true
	}
	if m, ok := chainrpc.Methods[path]; ok {
		return connect.Method{Input: m.Input, Output: m.Output}, true
	}
	return connect.Method{Input: reflection.Input, Output: reflection.Output, Streaming: true}, slices.Contains(reflection.Paths, path)
}

// ownMethods returns the methods that the bridge answers without a provider, by path: those
// about the chain if there is one.
func ownMethods(nodes *chainNodes) map[string]relay.Upstream {
	var services []string
	for _, m := range gateway.Methods() { // sorted
		if !slices.Contains(services, m.Service) {
			services = append(services, m.Service)
		}
	}
	own := map[string]relay.Upstream{}
	if nodes != nil {
		services = append(services, chainrpc.Service)
		maps.Copy(own, chainrpc.Servers(nodes))
	}
	server := reflection.Server(services...)
	for _, path := range reflection.Paths {
		own[path] = server
	}
	return own
}

func (s *server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	s.metrics.Handler().ServeHTTP(w, r)
}

func (s *server) serveReady(w http.ResponseWriter, r *http.Request) {
	s.end.probed()
	if s.end.asked.Err() != nil {
		text(w, http.StatusServiceUnavailable, "shutting down\n")
		return
	}
	if s.limits.Full() {
		text(w, http.StatusServiceUnavailable, fmt.Sprintf("not ready: %d calls are open, the limit\n", s.limits.Open()))
		return
	}
	if s.ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := s.ready(ctx); err != nil {
			text(w, http.StatusServiceUnavailable, "not ready: "+err.Error()+"\n")
			return
		}
	}
	text(w, http.StatusOK, "ready\n")
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// readyLine is printed once the bridge accepts connections.
type readyLine struct {
	URL        string `json:"url"`
	MetricsURL string `json:"metricsUrl,omitempty"`
}

// run serves until the bridge is asked to stop. Then it drains and returns.
func (s *server) run(stdout io.Writer) error {
	defer s.statuses.Close()
	if s.chain != nil && s.ready != nil {
		s.chain.Start()
	}
	certificate, err := s.certificate()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.config.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	scheme := "http"
	if certificate != nil {
		scheme = "https"
	}
	ready := readyLine{URL: scheme + "://" + dialable(listener.Addr())}
	servers := []*http.Server{s.httpServer(s)}
	listeners := []net.Listener{s.guarded(listener, certificate)}
	if s.config.metricsListen != "" {
		listener, err := net.Listen("tcp", s.config.metricsListen)
		if err != nil {
			listeners[0].Close()
			return fmt.Errorf("--metrics-listen: %w", err)
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", s.metrics.Handler())
		if s.config.pprof {
			mux.HandleFunc("/debug/pprof/", pprof.Index) // which serves all profiles that have no path below
			mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
			mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
			mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
		}
		servers = append(servers, s.httpServer(mux))
		listeners = append(listeners, listener)
		ready.MetricsURL = "http://" + dialable(listener.Addr()) + "/metrics"
	}

	reloads := s.startReloads(certificate)
	defer reloads.stop()
	quiet, stop := context.WithCancel(context.Background())
	var returning sync.WaitGroup
	returning.Go(func() { returnMemory(quiet) })
	defer func() {
		stop()
		returning.Wait()
	}()
	failed := make(chan error, len(servers))
	for i, server := range servers {
		go func() { failed <- serve(server, listeners[i]) }()
	}
	s.log.Info("serving", "version", version, "url", ready.URL, "metrics", ready.MetricsURL)
	if err := json.NewEncoder(stdout).Encode(ready); err != nil {
		s.log.Warn("the ready line could not be printed", "error", err)
	}

	select {
	case err = <-failed:
	case <-s.end.asked.Done():
		s.drain(servers)
	}
	for _, server := range servers {
		_ = server.Close()
	}
	return err
}

func serve(server *http.Server, listener net.Listener) error {
	err := server.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// guarded returns the listener for callers, whose connections have a budget. It serves TLS
// if there is a certificate.
func (s *server) guarded(l net.Listener, certificate *certificate) net.Listener {
	o := flood.Options{
		Network:  s.proxies.Network,
		Closed:   s.metrics.Calmed,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if certificate != nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.get}
	}
	return flood.Listener(l, o)
}

func (s *server) httpServer(handler http.Handler) *http.Server {
	server := &http.Server{
		Handler:           flood.Handler(handler),
		ConnContext:       flood.Context,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return s.end.requests },
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streamsPerConn,
			MaxReadFrameSize:     readFrameSize,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
		},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	// Load balancers use HTTP/2 without TLS. With TLS it looks the same here, since package
	// flood serves that.
	server.Protocols.SetUnencryptedHTTP2(true)
	return server
}

// certificate returns the TLS certificate, or nil for plain HTTP.
func (s *server) certificate() (*certificate, error) {
	if s.config.tlsCert == "" {
		return nil, nil
	}
	return loadCertificate(s.config.tlsCert, s.config.tlsKey, s.log)
}

// dialable returns the address that clients connect to: localhost for a wildcard
// address.
func dialable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr.String()
}
