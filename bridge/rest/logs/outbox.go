package logs

import (
	"context"
	"io"
	"time"
)

// How log lines are gathered into messages.
const (
	// flushBytes is how much makes a message worth sending at once.
	flushBytes = 32 << 10
	// flushDelay is how long a line waits for others after a message. The first
	// line after a quiet spell does not wait.
	flushDelay = 5 * time.Millisecond
	// maxPending is how much waits for a page that does not read before the
	// provider is not read either.
	maxPending = 64 << 10
)

// announce wakes the taker where it may have something new to do.
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

// Next returns the next message, an encoded ServiceLogsResponse, valid until the
// Next call. After the last it returns the error that finish was given, io.EOF
// for none.
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

// take returns a message if it is time for one, and otherwise how long to wait
// for what there is, 0 if there is nothing.
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
