// Package timedbody bounds how long a request's body may take to arrive.
package timedbody

import "io"

// Body calls Begin before its first read, and End after its last: the one that returns
// an error, io.EOF included. http.Server.ReadTimeout cannot do this: it also cuts the
// answer, since the connection looks closed while a stream runs.
type Body struct {
	io.ReadCloser
	// Begin starts the clock, and End stops it. Neither may be nil.
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
