// Package coalesce reads a busy connection in fewer, larger reads.
//
// crypto/tls reads about one record at a time, 16 KB at most. Where more data waits,
// a Conn reads up to 128 KB ahead, which takes fewer system calls.
//
// A REST gateway writes each log line as a record of its own. When lines come fast,
// each costs a system call and a wake-up, which take longer than all else that the
// bridge does with the line. So a Conn that coalesces waits a millisecond between reads
// while they follow each other fast, and reads all that came meanwhile at once, as
// network cards coalesce interrupts. .github/decisions/0003-read-coalescing.md has
// figures.
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
	// burstReads within burstTime, 2,000 a second, begin a burst.
	burstReads = 16
	burstTime  = 8 * time.Millisecond
	// pause is the time between two reads in a burst. It is short beside the time that
	// lines in a burst wait for each other anyway.
	pause = time.Millisecond
	// idle is how long nothing may come before a burst ends.
	idle = 2 * time.Millisecond
	// ahead is how much is read at once. After a read that brought as much, there is
	// no pause.
	ahead = 128 << 10
	// lowWater is how much data wakes a burst's reader before the pause is over. It is
	// a quarter of the buffer that Linux gives a socket at first; it would enlarge the
	// buffer for more.
	lowWater = 32 << 10
	// plenty is how much a read has to bring, outside a burst, for reading ahead to pay.
	plenty = 16 << 10
)

var buffers = sync.Pool{New: func() any { return new([ahead]byte) }}

// A Conn is a connection below TLS. It holds a buffer only while much data comes.
type Conn struct {
	net.Conn
	coalesces atomic.Bool

	// For the reader's goroutine only.
	buffer *[ahead]byte // holds data that was read ahead, or nil
	unread []byte       // data in buffer
	full   bool         // the last read brought so much that more may wait
	burst  bool         // reads wait for a pause
	reads  int
	since  time.Time // when the first of reads was made
}

// NewConn returns a Conn that reads from conn. It does not coalesce yet.
func NewConn(conn net.Conn) *Conn { return &Conn{Conn: conn} }

// Coalesce lets reads wait in bursts from now on. The caller must not set read deadlines
// any more.
func (c *Conn) Coalesce() { c.coalesces.Store(true) }

// Read implements [net.Conn]. After Coalesce, data may be a millisecond late in a burst,
// and three at its end.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		if c.buffer == nil {
			return c.readOnce(p)
		}
		if err := c.fill(); c.burst && errors.Is(err, os.ErrDeadlineExceeded) {
			c.endBurst()
			return c.readOnce(p)
		} else if len(c.unread) == 0 {
			return 0, err
		}
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	if len(c.unread) == 0 && !c.full && !c.burst {
		c.release()
	}
	return n, nil
}

// readOnce reads without a buffer, and gets one if much data comes or a burst begins.
func (c *Conn) readOnce(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		return n, err
	}
	if n == len(p) && n >= plenty {
		c.buffer, c.full = buffers.Get().(*[ahead]byte), true
	}
	if !c.coalesces.Load() {
		return n, nil
	}
	if c.reads++; c.reads < burstReads {
		return n, nil
	}
	now := time.Now()
	if now.Sub(c.since) < burstTime && c.buffer == nil {
		c.buffer, c.burst = buffers.Get().(*[ahead]byte), true
		c.wakeFrom(lowWater)
	}
	c.reads, c.since = 0, now
	return n, nil
}

// fill reads into the buffer, in a burst after a pause.
func (c *Conn) fill() error {
	enough := plenty
	if c.burst {
		if !c.full {
			time.Sleep(pause)
		}
		_ = c.Conn.SetReadDeadline(time.Now().Add(idle)) // if it fails, so does the read
		enough = ahead
	}
	n, err := c.Conn.Read(c.buffer[:])
	c.unread, c.full = c.buffer[:n], n >= enough
	return err
}

// wakeFrom sets how many bytes must wait before the kernel wakes Go's poller, which it
// would otherwise do for each packet during a pause.
func (c *Conn) wakeFrom(n int) {
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { setLowWater(fd, n) })
	}
}

// endBurst makes reads immediate again.
func (c *Conn) endBurst() {
	c.wakeFrom(1)
	_ = c.Conn.SetReadDeadline(time.Time{})
	c.burst = false
	c.release()
}

// release gives back the buffer, which holds no unread data.
func (c *Conn) release() {
	buffers.Put(c.buffer)
	c.buffer, c.unread, c.full = nil, nil, false
}
