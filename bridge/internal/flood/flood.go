// Package flood keeps clients from taking the server's time for nothing.
//
// An HTTP/2 client may send pings, settings, updates of windows, header blocks without an
// end and streams that it resets at once, and a WebSocket's client pings and empty
// fragments, at any rate, and each costs the server more than the client. net/http and the
// WebSocket libraries bound the memory that they take, but not the time (CVE-2019-9512,
// CVE-2023-44487, CVE-2023-45288 and their siblings).
//
// Here what a client sends has a price, about the time that it costs the server, which is
// given back once it turns out to be part of a request that is served. A connection that
// uses up what it may cost is closed: over HTTP/2 with GOAWAY and ENHANCE_YOUR_CALM, over a
// WebSocket with 1008. The connections of one address together have a budget as well, so
// that a client gains nothing by connecting again: one that has used it up waits.
//
// For that the package reads the frames' headers as they pass, below net/http and above
// TLS, which it therefore serves itself.
package flood

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"
)

// What a client may cost. The time is the server's processor time, as estimated below.
const (
	// addressShare is the share of a processor that the connections of one address may
	// take for nothing, one in so many; addressBurst is what they may take at once.
	addressShare = 200
	addressBurst = 50 * time.Millisecond
	// connShare and connBurst are those of one connection, which is closed when it has
	// used them up: 250 pings a second, and 3,000 at once.
	connShare = 400
	connBurst = 30 * time.Millisecond
	// proxyFactor is how many times that a connection of a proxy may cost, which has many
	// clients behind it.
	proxyFactor = 20
	// maxDebt bounds how long the connections of an address are not read.
	maxDebt = 10 * time.Second
	// maxWaiting is how many of them may wait for that. More are closed at once.
	maxWaiting = 256
)

// Estimates of what things cost.
const (
	costConn      = 50 * time.Microsecond  // to accept a connection
	costHandshake = 450 * time.Microsecond // of TLS
	// costRequest is what is not given back for a request that has no use.
	costRequest = 20 * time.Microsecond
	costFrame   = 3 * time.Microsecond  // one that is read and forgotten
	costAnswer  = 10 * time.Microsecond // one that is answered by another, such as a ping
	// costReset is for a stream that its client gives up soon after opening it: the
	// request may have reached a provider.
	costReset = 100 * time.Microsecond
	// A header block is decoded. Its bytes may refer to fields that are much longer.
	headerBytes = 16 // for a microsecond
	// Bytes of HTTP/1 are cheap, as most belong to bodies.
	plainBytes = 256 // for a microsecond
	costRead   = 5 * time.Microsecond
	smallRead  = 64 // bytes up to which a read costs that, and a frame of data costFrame
	// acknowledged is how many bytes of answers a client may acknowledge with a frame.
	acknowledged = 1 << 10
)

// young is the age up to which a request that its client gives up counts as given up at
// once.
const young = time.Second

// Options configure a Listener.
type Options struct {
	// TLS, if set, serves TLS.
	TLS *tls.Config
	// Network returns the network, of one address or more, whose connections have a budget
	// together. One that is not valid is that of a proxy, or of a program on this machine:
	// its connections have only their own. nil means that all have.
	Network func(net.Addr) netip.Addr
	// Closed is called for each connection that is closed for what it cost. nil means no
	// calls.
	Closed func()
	// ErrorLog gets the errors of handshakes. nil means that nothing does.
	ErrorLog *log.Logger
}

// Listener returns l with connections that have a budget. They are for an [http.Server]
// with [Context] and [Handler] that serves HTTP/2 without TLS, as it looks to it, too.
func Listener(l net.Listener, o Options) net.Listener {
	if o.Network == nil {
		o.Network = func(net.Addr) netip.Addr { return netip.Addr{} }
	}
	if o.Closed == nil {
		o.Closed = func() {}
	}
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
		o.TLS.NextProtos = []string{"h2", "http/1.1"}
	}
	return &listener{Listener: l, options: o, messageTime: messageTime, budgets: budgets{of: map[netip.Addr]*budget{}}}
}

type listener struct {
	net.Listener
	options     Options
	budgets     budgets
	messageTime time.Duration
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: raw, listener: l, wake: make(chan struct{}, 1)}
		if network := l.options.Network(raw.RemoteAddr()); network.IsValid() {
			if c.shared = l.budgets.open(network); c.shared == nil {
				abort(raw)
				continue
			}
			c.network = network
			c.own.share, c.own.burst = connShare, connBurst
		} else {
			all := newSole(proxyFactor)
			c.shared = &all.shared
			c.own.share, c.own.burst = all.own.share, all.own.burst
			c.socket = newSole(1)
		}
		cost := costConn
		if l.options.TLS != nil {
			cost += costHandshake
			c.Conn = tls.Server(raw, l.options.TLS)
		}
		c.opening.Store(int64(cost))
		return c, nil
	}
}

// abort closes a connection without ceremony.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// budgets are the budgets of networks.
type budgets struct {
	mu sync.Mutex
	of map[netip.Addr]*budget
}

// budget is what the connections of a network may cost.
type budget struct {
	meter
	conns   int // open ones; guarded by budgets.mu
	waiting int // those that wait; guarded by budgets.mu
}

// maxKept bounds the budgets that are kept though nobody of their network is connected.
const maxKept = 10_000

// open returns the budget of a network for one more connection, or nil if too many wait
// already.
func (b *budgets) open(network netip.Addr) *budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.of[network]
	if one == nil {
		one = &budget{meter: meter{share: addressShare, burst: addressBurst}}
		if len(b.of) >= maxKept {
			b.forget()
		}
		b.of[network] = one
	}
	if one.waiting >= maxWaiting {
		return nil
	}
	one.conns++
	return one
}

// close is for each connection that open was for.
func (b *budgets) close(network netip.Addr, one *budget) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one.conns--; one.conns == 0 && one.full() {
		delete(b.of, network)
	}
}

// wait counts a connection that waits, until it is called with -1. It reports false, and
// counts none, if too many do.
func (b *budgets) wait(one *budget, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > 0 && one.waiting >= maxWaiting {
		return false
	}
	one.waiting += n
	return true
}

// forget removes the budgets that are full again, and half of the others that nobody uses
// if there are too many still.
func (b *budgets) forget() {
	for network, one := range b.of {
		if one.conns == 0 && one.full() {
			delete(b.of, network)
		}
	}
	// Maps iterate in random order, so nobody can choose who is forgotten.
	for network, one := range b.of {
		if len(b.of) <= maxKept/2 {
			return
		}
		if one.conns == 0 {
			delete(b.of, network)
		}
	}
}

type contextKey struct{}

// Context is for [http.Server.ConnContext] of a server that serves a [Listener].
func Context(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, contextKey{}, c)
	}
	return ctx
}
