// Package timedbody limits the time that a request's body may take to arrive.
package timedbody

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// Body calls Begin before its first read, and End when a read returns an error, which
// may be io.EOF. http.Server.ReadTimeout is no alternative: it also ends the answer of
// a stream, because the connection then looks closed.
type Body struct {
	io.ReadCloser
	// Begin starts the timeout, and End stops it. Neither may be nil.
	Begin, End func()

	begun bool
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		b.Begin()
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.End()
	}
	return n, err
}

// Live is the body of a request whose messages may go on while the call is being
// answered, which HTTP/2 allows. The timeout of Body is for what the call needs to
// start.
type Live struct {
	Body    Body
	reading sync.Mutex // held while a read is in progress
}

// NewLive returns r's body, to be read from in goroutines of the call. Until Arrived is
// called, reads fail after limit. The body must be closed before the handler returns.
func NewLive(w http.ResponseWriter, r *http.Request, limit time.Duration) *Live {
	d := &deadline{controller: http.NewResponseController(w), limit: limit}
	return &Live{Body: Body{ReadCloser: r.Body, Begin: d.begin, End: d.end}}
}

// soon is how long a body may take without a deadline being set: nearly all are there when
// their handler begins. net/http's HTTP/2 server sets and clears a deadline in the goroutine
// of the connection, which costs more than reading a small body.
const soon = 100 * time.Millisecond

// deadline is a limit on a request's time.
type deadline struct {
	controller *http.ResponseController
	limit      time.Duration

	mu    sync.Mutex
	timer *time.Timer
	at    time.Time
	set   bool // at net/http
	ended bool
}

func (d *deadline) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = time.Now().Add(d.limit)
	if !d.ended {
		d.timer = time.AfterFunc(min(soon, d.limit), d.arm)
	}
}

// arm sets the deadline of a body that has not arrived soon.
func (d *deadline) arm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ended {
		d.set = true
		_ = d.controller.SetReadDeadline(d.at)
	}
}

func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return
	}
	d.ended = true
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.set {
		_ = d.controller.SetReadDeadline(time.Time{})
	}
}

// Arrived ends the limit on the request's time.
func (l *Live) Arrived() { l.Body.End() }

// Read implements io.Reader.
func (l *Live) Read(p []byte) (int, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	return l.Body.Read(p)
}

// Close ends a read that is in progress, and waits for it. Later reads fail.
func (l *Live) Close() error {
	err := l.Body.Close()
	l.reading.Lock()
	defer l.reading.Unlock()
	l.Body.begun = true
	l.Body.End()
	return err
}
