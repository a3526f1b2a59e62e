package web

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

const (
	cacheForever    = "public, max-age=31536000, immutable"
	cacheRevalidate = "no-cache"

	// The dashboard runs only its own scripts and WebAssembly, and connects only to
	// its bridge. It needs neither eval nor inline scripts, and must not be framed.
	contentSecurityPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; " +
		"style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// site serves a fixed set of files in the encoding that a client prefers.
type site struct {
	files  fs.FS
	assets map[string]*asset // by URL path
}

// newSite indexes the files to serve. A file NAME.br or NAME.gz is an encoding of
// NAME. Files whose name begins with a dot are not served.
func newSite(files fs.FS) (*site, error) {
	s := &site{files: files, assets: map[string]*asset{}}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path.Base(name), ".") || isEncoding(name) {
			return err
		}
		a, err := newAsset(files, name)
		s.assets["/"+name] = a
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("web files: %w", err)
	}
	if index, ok := s.assets["/index.html"]; ok {
		s.assets["/"] = index
	}
	return s, nil
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")

	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if len(s.assets) == 0 {
		serveNotBuilt(w, r)
		return
	}
	a, ok := s.assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}

	header.Set("Content-Type", a.contentType)
	header.Add("Vary", "Accept-Encoding")
	if a.isPage() {
		header.Set("Content-Security-Policy", contentSecurityPolicy)
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
	} else {
		// Other sites load the client from here with integrity hashes and as
		// WebAssembly, both of which need CORS. The files are public.
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	header.Set("Cache-Control", cacheRevalidate)
	if a.fixed || r.URL.Query().Get("v") == a.version {
		header.Set("Cache-Control", cacheForever)
	}

	v := a.choose(r.Header["Accept-Encoding"])
	f, err := s.files.Open(v.name)
	if err != nil {
		http.Error(w, "cannot read "+v.name, http.StatusInternalServerError)
		return
	}
	defer f.Close()
	content, ok := f.(io.ReadSeeker)
	if !ok {
		http.Error(w, "cannot read "+v.name, http.StatusInternalServerError)
		return
	}
	header.Set("ETag", v.etag)
	if v.encoding != identity {
		header.Set("Content-Encoding", v.encoding)
		// ServeContent omits the length of an encoded body unless it is set.
		header.Set("Content-Length", v.length)
	}
	http.ServeContent(w, r, "", time.Time{}, content)
}

// serveNotBuilt explains that the bridge was compiled without its web files, and how
// to build them.
func serveNotBuilt(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusServiceUnavailable)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write([]byte(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Not built</title>` +
		`<h1>The dashboard is not built</h1>` +
		`<p>This bridge was compiled without its web files. It relays calls, but cannot serve the dashboard or scripts. ` +
		`Run <code>make build</code> in the repository and start <code>bin/akash-provider-bridge</code>.</p></html>`))
}
