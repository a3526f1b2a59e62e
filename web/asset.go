package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

const (
	identity = "identity"
	brotli   = "br"
	gzip     = "gzip"

	// versionLength is the number of hex digits of a file's SHA-256 in references to
	// it. 64 bits are enough to tell releases apart.
	versionLength = 16

	// chunks is the directory of the files that have a hash in their name, from
	// web/bundle.mjs.
	chunks = "chunks/"
)

// encodings are the encodings in which a file may be stored, besides the file itself,
// in order of preference.
var encodings = []struct{ name, suffix string }{
	{brotli, ".br"},
	{gzip, ".gz"},
}

// contentTypes is fixed here because the results of package mime depend on the
// machine.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".map":  "application/json",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
	".wasm": "application/wasm",
}

// asset is a file in all its encodings.
type asset struct {
	contentType string
	version     string // hash of the content, as used in references
	fixed       bool   // whether the name already contains a hash
	variants    []variant
}

// variant is an asset in one encoding. Its content stays in the file system, so that
// embedded files are not in memory twice.
type variant struct {
	encoding string
	name     string
	length   string
	etag     string
}

// newAsset hashes a file and finds its encodings.
func newAsset(files fs.FS, name string) (*asset, error) {
	version, err := hash(files, name)
	if err != nil {
		return nil, err
	}
	a := &asset{
		contentType: contentTypes[path.Ext(name)],
		version:     version,
		fixed:       strings.HasPrefix(name, chunks),
	}
	if a.contentType == "" {
		a.contentType = "application/octet-stream"
	}
	for _, e := range encodings {
		if _, err := fs.Stat(files, name+e.suffix); err != nil {
			continue
		}
		if err := a.add(files, e.name, name+e.suffix); err != nil {
			return nil, err
		}
	}
	return a, a.add(files, identity, name)
}

// add appends a variant. Each variant has its own entity tag, since a strong tag
// identifies exact bytes (RFC 9110, section 8.8.3.3).
func (a *asset) add(files fs.FS, encoding, name string) error {
	info, err := fs.Stat(files, name)
	if err != nil {
		return err
	}
	a.variants = append(a.variants, variant{
		encoding: encoding,
		name:     name,
		length:   strconv.FormatInt(info.Size(), 10),
		etag:     `"` + a.version + "-" + encoding + `"`,
	})
	return nil
}

// hash returns a file's version, which web/build writes into references.
func hash(files fs.FS, name string) (string, error) {
	f, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil))[:versionLength], nil
}

func (a *asset) isPage() bool { return strings.HasPrefix(a.contentType, "text/html") }

// choose returns the variant that the Accept-Encoding header prefers, and the smallest
// of several, which is the first.
func (a *asset) choose(acceptEncoding []string) variant {
	accept := parseAccept(acceptEncoding)
	best, bestQuality := a.variants[len(a.variants)-1], 0.0
	for _, v := range a.variants {
		if q := accept.quality(v.encoding); q > bestQuality {
			best, bestQuality = v, q
		}
	}
	return best
}

// isEncoding reports whether a file is an encoding of another file.
func isEncoding(name string) bool {
	for _, e := range encodings {
		if strings.HasSuffix(name, e.suffix) {
			return true
		}
	}
	return false
}
