// Package jsonlimit reads JSON from somebody who may mean harm. It looks at the text while
// it arrives, and stops as soon as a limit is passed, so that what would be refused in the
// end is neither read to the end nor decoded.
package jsonlimit

import (
	"fmt"
	"io"
	"slices"
	"sync"
)

// Limits are what a text may have. Each has to be set.
type Limits struct {
	Bytes  int // of the text
	Depth  int // of arrays and objects in each other
	String int // bytes of a string, as it is written
	Values int // values in arrays and objects
}

// Error is the error of a text that is not to be decoded.
type Error struct {
	// TooMuch is what there is too much of, as the end of a sentence, such as "has more
	// than 100 bytes". It is "" for a text that is not JSON, as far as was looked.
	TooMuch string
}

func (e *Error) Error() string {
	if e.TooMuch == "" {
		return "the text is not JSON"
	}
	return "the text " + e.TooMuch
}

// Only what the limits need is checked: encoding/json does the rest.
var errNotJSON = &Error{}

const (
	// leastRead is how much room there is for a read at least.
	leastRead = 4 << 10
	// maxBlanks is how many bytes of white space may come before anything else.
	maxBlanks = 1 << 10
)

// Read reads a text to the end of r. It appends it to buf, whose array it may use.
func Read(r io.Reader, buf []byte, limits Limits) ([]byte, error) {
	text, err := read(r, buf, limits)
	if err != nil {
		return nil, err
	}
	return text, nil
}

// read is Read, and returns what has come of a text that is not read to its end.
func read(r io.Reader, buf []byte, limits Limits) ([]byte, error) {
	s := scanner{limits: limits}
	start := len(buf)
	for {
		if cap(buf)-len(buf) < leastRead {
			// Twice as much, and not more than can be of use.
			buf = slices.Grow(buf, min(max(len(buf), leastRead), max(limits.Bytes-(len(buf)-start)+1, leastRead)))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		if n > 0 {
			fresh := buf[len(buf) : len(buf)+n]
			buf = buf[:len(buf)+n]
			if len(buf)-start > limits.Bytes {
				return buf, &Error{fmt.Sprintf("has more than %d bytes", limits.Bytes)}
			}
			if err := s.scan(fresh); err != nil {
				return buf, err
			}
		}
		switch err {
		case nil:
		case io.EOF:
			return buf, nil
		default:
			return buf, err
		}
	}
}

// scanner counts what a text has.
type scanner struct {
	limits Limits
	begun  bool // something other than white space has come
	blanks int  // before that
	depth  int
	values int
	text   bool // within a string
	escape bool // after a backslash
	length int  // of the string
}

// scan takes the next piece of the text.
func (s *scanner) scan(p []byte) error {
	for len(p) > 0 {
		if s.text {
			n, err := s.skipString(p)
			if err != nil {
				return err
			}
			p = p[n:]
			continue
		}
		c := p[0]
		p = p[1:]
		if !s.begun {
			switch c {
			case ' ', '\t', '\r', '\n':
				if s.blanks++; s.blanks > maxBlanks {
					return errNotJSON
				}
				continue
			case '{', '[', '"', '-', 't', 'f', 'n', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
				s.begun = true
			default:
				return errNotJSON
			}
		}
		switch c {
		case '"':
			s.text, s.length = true, 0
		case ',':
			if s.values++; s.values >= s.limits.Values {
				return &Error{fmt.Sprintf("has more than %d values", s.limits.Values)}
			}
		case '{', '[':
			if s.depth++; s.depth > s.limits.Depth {
				return &Error{fmt.Sprintf("is nested more than %d deep", s.limits.Depth)}
			}
		case '}', ']':
			if s.depth--; s.depth < 0 {
				return errNotJSON
			}
		}
	}
	return nil
}

// skipString returns how many bytes at the start of p belong to a string.
func (s *scanner) skipString(p []byte) (n int, err error) {
	for n < len(p) && s.text {
		c := p[n]
		n++
		switch {
		case s.escape:
			s.escape = false
		case c == '\\':
			s.escape = true
		case c == '"':
			s.text = false
			continue
		}
		if s.length++; s.length > s.limits.String {
			return 0, &Error{fmt.Sprintf("has a string of more than %d bytes", s.limits.String)}
		}
	}
	return n, nil
}

// buffers has the arrays of texts that are no longer used. A new one of some megabytes
// takes longer to clear than to fill.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxKept is the size up to which an array is kept.
const maxKept = 2<<20 + 2*leastRead

// Use reads a text to the end of r, and calls use with it, which must not keep it.
func Use(r io.Reader, limits Limits, use func([]byte) error) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	text, err := read(r, (*buffer)[:0], limits)
	if cap(text) <= maxKept {
		*buffer = text[:0]
	}
	defer clear(text) // it may be a tenant's
	if err != nil {
		return err
	}
	return use(text)
}
