package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/andybalholm/brotli"
)

const (
	// minCompress is the size in bytes below which compressing saves nothing: the
	// answer fits one packet either way.
	minCompress = 512

	// compressor names the settings below in the cache; change it with them.
	compressor = "brotli11-gzip9"
)

// encoders make the encodings of a file, by suffix. Both are slow and thorough:
// a file is compressed once and sent often.
var encoders = map[string]func(io.Writer) (io.WriteCloser, error){
	".br": func(w io.Writer) (io.WriteCloser, error) {
		return brotli.NewWriterLevel(w, brotli.BestCompression), nil
	},
	".gz": func(w io.Writer) (io.WriteCloser, error) {
		return gzip.NewWriterLevel(w, gzip.BestCompression)
	},
}

// compress returns body's encodings by suffix, without those that would not be
// smaller.
func compress(cache string, body []byte) (map[string][]byte, error) {
	encoded := map[string][]byte{}
	if len(body) < minCompress {
		return encoded, nil
	}
	for suffix := range encoders {
		b, err := encode(cache, body, suffix)
		if err != nil {
			return nil, err
		}
		if len(b) < len(body) {
			encoded[suffix] = b
		}
	}
	return encoded, nil
}

// encode compresses body, or finds it compressed by an earlier run.
func encode(cache string, body []byte, suffix string) ([]byte, error) {
	sum := sha256.Sum256(body)
	kept := filepath.Join(cache, compressor+"-"+hex.EncodeToString(sum[:])+suffix)
	if b, err := os.ReadFile(kept); err == nil {
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
	return buf.Bytes(), keep(kept, buf.Bytes())
}

// keep writes a file as a whole or not at all, so that an interrupted run leaves
// no half file for the next.
func keep(path string, body []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "partial-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(body); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
