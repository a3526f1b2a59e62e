package improbable

import (
	"bytes"
	"encoding/base64"
	"io"
)

// textReader decodes the body of a grpc-web-text request. Its base64 may have padding
// in the middle, where one encoded piece ends and the next begins (PROTOCOL-WEB.md,
// "Message framing"). base64.NewDecoder, which WrapHandler uses, rejects such padding.
type textReader struct {
	src io.ReadCloser
	in  [1024]byte // encoded bytes not decoded yet; fewer than four between steps
	n   int
	out []byte // decoded bytes not read yet
	buf [768]byte
	err error
}

func (t *textReader) Read(p []byte) (int, error) {
	for len(t.out) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		t.step()
	}
	n := copy(p, t.out)
	t.out = t.out[n:]
	return n, nil
}

// step reads once and decodes every complete group.
func (t *textReader) step() {
	n, err := t.src.Read(t.in[t.n:])
	t.n += n
	t.err = err
	whole := t.in[:t.n/4*4]
	t.out = t.buf[:0]
	for rest := whole; len(rest) > 0; {
		piece := rest
		if i := bytes.IndexByte(rest, '='); i >= 0 {
			piece = rest[:i/4*4+4] // to the end of the padded group
		}
		if t.out, err = base64.StdEncoding.AppendDecode(t.out, piece); err != nil {
			t.err = err
			return
		}
		rest = rest[len(piece):]
	}
	t.n = copy(t.in[:], t.in[len(whole):t.n])
	if t.err == io.EOF && t.n > 0 {
		t.err = io.ErrUnexpectedEOF
	}
}

func (t *textReader) Close() error { return t.src.Close() }
