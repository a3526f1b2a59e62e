// Package coalesce reads connections in fewer steps where much comes.
//
// What crypto/tls reads at a time is little more than a record, 16 KB at most. Where
// more waits than that, it is read at once, which takes fewer system calls.
//
// A REST gateway writes each log line as a record of its own. A busy log then costs a
// system call and a wait for each line, several times what all else does that the
// bridge does with it. So a connection that is to be paced, and on which reads follow
// each other that fast, is read once in a pause, and all that came meanwhile at once,
// as network cards do with their interrupts.
package coalesce

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// hurryReads within hurryTime are the beginning of a hurry: 2,000 a second.
	hurryReads = 16
	hurryTime  = 8 * time.Millisecond
	// pause is how long a hurry leaves the connection alone between two reads. It is
	// little beside the time that lines in a hurry wait for each other anyway.
	pause = time.Millisecond
	// quiet is how long nothing may come before a hurry is over.
	quiet = 2 * time.Millisecond
	// ahead is how much is read at once. Where there is as much, there is no pause.
	ahead = 128 << 10
	// lowWater is how much wakes a hurry's reader before its pause is over. It is a
	// quarter of what Linux gives a socket at first, which more would have it change.
	lowWater = 32 << 10
	// plenty is how much a read brings, without a hurry, where it is worth reading ahead.
	plenty = 16 << 10
)

var buffers = sync.Pool{New: func() any { return new([ahead]byte) }}

// Conn is a connection, below TLS. It holds a buffer only while much comes.
type Conn struct {
	net.Conn
	paced atomic.Bool

	// The reader's own.
	buffer  *[ahead]byte // what is read ahead, while there is
	unread  []byte       // of it
	full    bool         // the last read brought so much that there may be more
	hurries bool         // the connection is paced, and in a hurry
	reads   int
	since   time.Time // before the first of them
}

// NewConn returns conn as one that can be paced.
func NewConn(conn net.Conn) *Conn { return &Conn{Conn: conn} }

// Pace has the connection be paced from now on. Its read deadline is then no longer
// the caller's to set.
func (c *Conn) Pace() { c.paced.Store(true) }

// Read implements [net.Conn]. What it returns of a paced connection may be a
// millisecond old in a hurry, and three where that has just ended.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		if c.buffer == nil {
			return c.readOnce(p)
		}
		if err := c.fill(); c.hurries && errors.Is(err, os.ErrDeadlineExceeded) {
			c.calm()
			return c.readOnce(p)
		} else if len(c.unread) == 0 {
			return 0, err
		}
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	if len(c.unread) == 0 && !c.full && !c.hurries {
		c.release()
	}
	return n, nil
}

// readOnce reads without a buffer, and notices when there should be one.
func (c *Conn) readOnce(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		return n, err
	}
	if n == len(p) && n >= plenty {
		c.buffer, c.full = buffers.Get().(*[ahead]byte), true
	}
	if !c.paced.Load() {
		return n, nil
	}
	if c.reads++; c.reads < hurryReads {
		return n, nil
	}
	now := time.Now()
	if now.Sub(c.since) < hurryTime && c.buffer == nil {
		c.buffer, c.hurries = buffers.Get().(*[ahead]byte), true
		c.wakeFrom(lowWater)
	}
	c.reads, c.since = 0, now
	return n, nil
}

// fill reads ahead, in a hurry after a pause.
func (c *Conn) fill() error {
	enough := plenty
	if c.hurries {
		if !c.full {
			time.Sleep(pause)
		}
		_ = c.Conn.SetReadDeadline(time.Now().Add(quiet)) // where it fails, so does the read
		enough = ahead
	}
	n, err := c.Conn.Read(c.buffer[:])
	c.unread, c.full = c.buffer[:n], n >= enough
	return err
}

// wakeFrom has the network wake nobody while fewer bytes wait to be read. Without it
// Go's poller would look up for each piece all the same.
func (c *Conn) wakeFrom(n int) {
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { setLowWater(fd, n) })
	}
}

// calm ends a hurry.
func (c *Conn) calm() {
	c.wakeFrom(1)
	_ = c.Conn.SetReadDeadline(time.Time{})
	c.hurries = false
	c.release()
}

// release gives up the buffer, of which nothing is unread.
func (c *Conn) release() {
	buffers.Put(c.buffer)
	c.buffer, c.unread, c.full = nil, nil, false
}
