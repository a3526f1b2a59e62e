package coalesce

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is one write of a provider.
const line = "a line of a log\n"

// pipe returns a connection that coalesces, and the provider's end of it.
func pipe(t *testing.T) (conn *Conn, provider net.Conn) {
	near, provider := net.Pipe()
	t.Cleanup(func() { near.Close(); provider.Close() })
	conn = NewConn(near)
	conn.Coalesce()
	return conn, provider
}

// delay returns how long a line takes to be read.
func delay(t *testing.T, conn, provider net.Conn) time.Duration {
	start := time.Now()
	go io.WriteString(provider, line)
	_, err := io.ReadFull(conn, make([]byte, len(line)))
	require.NoError(t, err)
	return time.Since(start)
}

func TestQuietLogIsReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, provider := pipe(t)
		for range 10 * burstReads {
			time.Sleep(time.Millisecond)
			assert.Zero(t, delay(t, conn, provider))
		}
	})
}

func TestBurstIsCoalescedUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, provider := pipe(t)
		for range 2 * burstReads {
			delay(t, conn, provider)
		}
		assert.Equal(t, pause, delay(t, conn, provider), "in a burst")

		// The reader waits already when the next line comes, long after.
		read := make(chan time.Time)
		go func() {
			_, err := io.ReadFull(conn, make([]byte, len(line)))
			assert.NoError(t, err)
			read <- time.Now()
		}()
		time.Sleep(time.Minute)
		written := time.Now()
		_, err := io.WriteString(provider, line)
		require.NoError(t, err)
		assert.Zero(t, (<-read).Sub(written), "after a quiet minute")
		assert.Nil(t, conn.buffer, "a quiet log holds no buffer")
	})
}

func TestPlainConnectionIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, provider := pipe(t)
		conn.coalesces.Store(false)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		for range 10 * burstReads {
			assert.Zero(t, delay(t, conn, provider))
		}
		start := time.Now()
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "the deadline is the caller's")
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestEndComesAfterAllThatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, provider := pipe(t)
		go func() {
			for range 100 {
				io.WriteString(provider, line)
			}
			provider.Close()
		}()
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, strings.Repeat(line, 100), string(got))
	})
}

// filled is a connection on which all has come already.
type filled struct {
	net.Conn
	bytes.Reader
	reads int
}

func (c *filled) Read(p []byte) (int, error) {
	c.reads++
	return c.Reader.Read(p)
}

func TestMuchIsReadAtOnce(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
	under := &filled{Reader: *bytes.NewReader(want)}
	conn := NewConn(under)
	got := make([]byte, 0, len(want))
	for {
		var record [17 << 10]byte // as much as crypto/tls asks for
		n, err := conn.Read(record[:])
		got = append(got, record[:n]...)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	assert.Equal(t, want, got)
	assert.LessOrEqual(t, under.reads, len(want)/ahead+3)
}

func TestLittleIsReadWithoutABuffer(t *testing.T) {
	conn := NewConn(&filled{Reader: *bytes.NewReader(make([]byte, 4<<10))})
	for range 4 {
		_, err := io.ReadFull(conn, make([]byte, 1<<10))
		require.NoError(t, err)
		assert.Nil(t, conn.buffer)
	}
}

func TestWhatIsLeftOfMuchHoldsNoBuffer(t *testing.T) {
	under := &filled{Reader: *bytes.NewReader(make([]byte, 20<<10))}
	conn := NewConn(under)
	p := make([]byte, 17<<10)
	_, err := io.ReadFull(conn, p)
	require.NoError(t, err)
	assert.NotNil(t, conn.buffer, "there may be more")
	_, err = io.ReadFull(conn, p[:3<<10])
	require.NoError(t, err)
	assert.Nil(t, conn.buffer, "there was not")
}

// counted counts the reads of a connection.
type counted struct {
	*net.TCPConn
	reads atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.TCPConn.Read(p)
}

func TestBurstTakesFewReads(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	const lines = 100_000
	sent := make(chan error, 1)
	go func() {
		provider, err := listener.Accept()
		if err != nil {
			sent <- err
			return
		}
		defer provider.Close()
		for range lines {
			if _, err = io.WriteString(provider, line); err != nil {
				break
			}
		}
		sent <- err
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer raw.Close()
	under := &counted{TCPConn: raw.(*net.TCPConn)}
	conn := NewConn(under)
	conn.Coalesce()

	var got bytes.Buffer
	_, err = io.CopyBuffer(struct{ io.Writer }{&got}, conn, make([]byte, 512)) // about what crypto/tls asks for
	require.NoError(t, err)
	require.NoError(t, <-sent)
	assert.Equal(t, strings.Repeat(line, lines), got.String())
	assert.Less(t, under.reads.Load(), int64(got.Len()/512), "reads")
}
