package logs

import (
	"context"
	"io"
	"time"
)

// Parameters for combining log lines into messages.
const (
	// flushBytes is the size at which a message is sent at once.
	flushBytes = 32 << 10
	// flushDelay is how long a line waits for others after a message. The first line after
	// an idle time does not wait.
	flushDelay = 5 * time.Millisecond
	// maxPending is the amount of unread data at which the provider is not read any more.
	maxPending = 64 << 10
)

// announce wakes the taker if there may be something to do.
func (m *Merger) announce(before int) {
	if size := m.batch.size(); before == 0 && size > 0 || before < flushBytes && size >= flushBytes || m.ended {
		m.wake()
	}
}

// wake wakes the taker.
func (m *Merger) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// Next returns the next message, an encoded ServiceLogsResponse, which is valid until the
// next call of Next. After the last one it returns the error passed to Finish, or io.EOF.
func (m *Merger) Next(ctx context.Context) ([]byte, error) {
	for {
		message, wait, err := m.take()
		if message != nil || err != nil {
			return message, err
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-m.ready:
		case <-due:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns a message if it is due. Otherwise it returns how long to wait for the
// pending lines, or 0 if there are none.
func (m *Merger) take() (message []byte, wait time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	size := m.batch.size()
	if size == 0 && len(m.batch.marks) == 0 {
		if m.ended && m.err == nil {
			return nil, 0, io.EOF
		}
		return nil, 0, m.err
	}
	now := time.Now()
	if wait := flushDelay - now.Sub(m.taken); wait > 0 && size < flushBytes && !m.ended {
		return nil, wait, nil
	}
	m.taken = now
	message = m.batch.encode()
	m.room.Broadcast()
	return message, 0, nil
}
