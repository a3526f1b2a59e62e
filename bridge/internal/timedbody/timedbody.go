// Package timedbody limits the time that a request's body may take to arrive.
package timedbody

import "io"

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
