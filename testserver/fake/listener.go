package fake

import (
	"net"
	"sync"
)

// listener is a listening TCP port that can be closed and opened again at the same
// address while its server keeps running. Its connections can be closed. It is the
// net.Listener that servers are given.
type listener struct {
	address net.Addr

	mu     sync.Mutex
	inner  net.Listener  // nil while closed
	opened chan struct{} // closed when it opens or closes for good
	closed bool
	conns  map[*conn]struct{}
	frozen chan struct{} // closed at the thaw; nil while nothing is frozen
	// admit decides about a new connection: true passes it to the server, false keeps
	// it, unread, until the listener is closed.
	admit func() bool
}

// conn is a connection tracked by its listener.
type conn struct {
	net.Conn
	listener *listener
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.listener.thawed()
	return n, err
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	c.listener.thawed()
	return c.Conn.Write(b)
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

func newListener(inner net.Listener, admit func() bool) *listener {
	return &listener{
		address: inner.Addr(),
		inner:   inner,
		opened:  make(chan struct{}),
		conns:   map[*conn]struct{}{},
		admit:   admit,
	}
}

// Accept implements net.Listener. It waits while the listener is closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		inner, opened, closed := l.inner, l.opened, l.closed
		l.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		if inner == nil {
			<-opened
			continue
		}
		accepted, err := inner.Accept()
		if err != nil {
			l.mu.Lock()
			current := l.inner == inner
			l.mu.Unlock()
			if current {
				return nil, err
			}
			continue
		}
		c := &conn{Conn: accepted, listener: l}
		l.mu.Lock()
		if l.inner != inner { // closed meanwhile
			l.mu.Unlock()
			accepted.Close()
			continue
		}
		l.conns[c] = struct{}{}
		l.mu.Unlock()
		if l.admit == nil || l.admit() {
			return c, nil
		}
	}
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.address }

// Close implements net.Listener. It closes the listener permanently.
func (l *listener) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.opened)
	}
	l.mu.Unlock()
	l.shut()
	return nil
}

// shut refuses new connections and closes existing ones.
func (l *listener) shut() {
	l.thaw()
	l.mu.Lock()
	inner := l.inner
	l.inner = nil
	l.mu.Unlock()
	if inner != nil {
		inner.Close()
	}
	l.cut()
}

// cut closes all connections without TLS or HTTP messages, as the kernel does for a
// process that dies.
func (l *listener) cut() {
	l.mu.Lock()
	conns := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// freeze stops all data without closing connections.
func (l *listener) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen == nil && !l.closed {
		l.frozen = make(chan struct{})
	}
}

// thaw resumes the data.
func (l *listener) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen != nil {
		close(l.frozen)
		l.frozen = nil
	}
}

// thawed waits until data may flow.
func (l *listener) thawed() {
	l.mu.Lock()
	frozen := l.frozen
	l.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// open accepts connections again.
func (l *listener) open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.inner != nil {
		return nil
	}
	inner, err := net.Listen("tcp", l.address.String())
	if err != nil {
		return err
	}
	l.inner = inner
	close(l.opened)
	l.opened = make(chan struct{})
	return nil
}
