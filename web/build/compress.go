package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/andybalholm/brotli"
)

const (
	// minCompress is the size in bytes below which compression saves nothing: the
	// response fits into one packet either way.
	minCompress = 512

	// settings identifies the encoders' settings in the cache. Change it together
	// with them.
	settings = "brotli11-gzip9"
)

// encoders encode a file, by suffix. They use the slowest settings, since a file is
// compressed once and sent often.
var encoders = map[string]func(io.Writer) (io.WriteCloser, error){
	".br": func(w io.Writer) (io.WriteCloser, error) {
		return brotli.NewWriterLevel(w, brotli.BestCompression), nil
	},
	".gz": func(w io.Writer) (io.WriteCloser, error) {
		return gzip.NewWriterLevel(w, gzip.BestCompression)
	},
}

// compressor compresses files and caches the results for later runs.
type compressor struct {
	dir  string
	used map[string]bool // names in dir
}

func newCompressor(dir string) *compressor {
	return &compressor{dir: dir, used: map[string]bool{}}
}

// compress returns the encodings of body by suffix, except those that are not smaller.
func (c *compressor) compress(body []byte) (map[string][]byte, error) {
	encoded := map[string][]byte{}
	if len(body) < minCompress {
		return encoded, nil
	}
	for suffix := range encoders {
		b, err := c.encode(body, suffix)
		if err != nil {
			return nil, err
		}
		if len(b) < len(body) {
			encoded[suffix] = b
		}
	}
	return encoded, nil
}

// encode compresses body, or returns the result of an earlier run.
func (c *compressor) encode(body []byte, suffix string) ([]byte, error) {
	sum := sha256.Sum256(body)
	name := settings + "-" + hex.EncodeToString(sum[:]) + suffix
	c.used[name] = true
	if b, err := os.ReadFile(filepath.Join(c.dir, name)); err == nil {
		return b, nil
	}
	var buf bytes.Buffer
	w, err := encoders[suffix](&buf)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), c.store(name, buf.Bytes())
}

// store writes a file atomically, so that an interrupted run leaves no incomplete
// file.
func (c *compressor) store(name string, body []byte) error {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, "partial-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(body); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(c.dir, name))
}

// prune removes cached files that this run has not used.
func (c *compressor) prune() error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, ours := encoders[filepath.Ext(e.Name())]; !ours || c.used[e.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(c.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
