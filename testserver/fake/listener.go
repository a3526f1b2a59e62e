package fake

import (
	"net"
	"sync"
)

// door is a listening TCP port that can be shut and opened again at the same
// address while the server behind it goes on, and whose connections can be cut. It
// is the net.Listener that servers are given.
type door struct {
	address net.Addr

	mu     sync.Mutex
	inner  net.Listener  // nil while shut
	opened chan struct{} // closed when the door opens or closes for good
	closed bool
	guests map[*guest]struct{}
	frozen chan struct{} // closed at the thaw; nil while nothing is frozen
	// admit decides what becomes of a new connection: true hands it to the
	// server, false keeps it, unread, until the door is shut.
	admit func() bool
}

// guest is a connection that its door knows of.
type guest struct {
	net.Conn
	door *door
}

// Read implements net.Conn.
func (g *guest) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	g.door.thawed()
	return n, err
}

// Write implements net.Conn.
func (g *guest) Write(b []byte) (int, error) {
	g.door.thawed()
	return g.Conn.Write(b)
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.door.mu.Lock()
	delete(g.door.guests, g)
	g.door.mu.Unlock()
	return g.Conn.Close()
}

func newDoor(inner net.Listener, admit func() bool) *door {
	return &door{
		address: inner.Addr(),
		inner:   inner,
		opened:  make(chan struct{}),
		guests:  map[*guest]struct{}{},
		admit:   admit,
	}
}

// Accept implements net.Listener. While the door is shut it waits.
func (d *door) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		inner, opened, closed := d.inner, d.opened, d.closed
		d.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		if inner == nil {
			<-opened
			continue
		}
		conn, err := inner.Accept()
		if err != nil {
			d.mu.Lock()
			current := d.inner == inner
			d.mu.Unlock()
			if current {
				return nil, err
			}
			continue
		}
		g := &guest{Conn: conn, door: d}
		d.mu.Lock()
		if d.inner != inner { // shut meanwhile
			d.mu.Unlock()
			conn.Close()
			continue
		}
		d.guests[g] = struct{}{}
		d.mu.Unlock()
		if d.admit == nil || d.admit() {
			return g, nil
		}
	}
}

// Addr implements net.Listener.
func (d *door) Addr() net.Addr { return d.address }

// Close implements net.Listener: it shuts the door for good.
func (d *door) Close() error {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.opened)
	}
	d.mu.Unlock()
	d.shut()
	return nil
}

// shut refuses connections and cuts those there are.
func (d *door) shut() {
	d.thaw()
	d.mu.Lock()
	inner := d.inner
	d.inner = nil
	d.mu.Unlock()
	if inner != nil {
		inner.Close()
	}
	d.cut()
}

// cut closes every connection without a word of TLS or HTTP, as the kernel does for
// a process that dies.
func (d *door) cut() {
	d.mu.Lock()
	guests := make([]*guest, 0, len(d.guests))
	for g := range d.guests {
		guests = append(guests, g)
	}
	d.mu.Unlock()
	for _, g := range guests {
		g.Close()
	}
}

// freeze stops all traffic and keeps the connections.
func (d *door) freeze() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.frozen == nil && !d.closed {
		d.frozen = make(chan struct{})
	}
}

// thaw lets traffic go on.
func (d *door) thaw() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.frozen != nil {
		close(d.frozen)
		d.frozen = nil
	}
}

// thawed waits for the thaw.
func (d *door) thawed() {
	d.mu.Lock()
	frozen := d.frozen
	d.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// open accepts connections again.
func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.inner != nil {
		return nil
	}
	inner, err := net.Listen("tcp", d.address.String())
	if err != nil {
		return err
	}
	d.inner = inner
	close(d.opened)
	d.opened = make(chan struct{})
	return nil
}
