package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newTestSite(t *testing.T) *site {
	t.Helper()
	s, err := newSite(fstest.MapFS{
		".gitkeep":                       {Data: []byte("hidden")},
		"index.html":                     {Data: []byte("<!doctype html>page")},
		"index.html.gz":                  {Data: []byte("gz page")},
		"akash-provider-web.wasm":        {Data: []byte("\x00asm module")},
		"akash-provider-web.wasm.br":     {Data: []byte("br module")},
		"akash-provider-web.wasm.gz":     {Data: []byte("gz module")},
		"akash-provider-web.min.js":      {Data: []byte("script")},
		"akash-provider-web.min.js.map":  {Data: []byte("{}")},
		"something.with.unknown-ending1": {Data: []byte("?")},
		"chunks/view-ABCD2345.js":        {Data: []byte("chunk")},
	})
	require.NoError(t, err)
	return s
}

func get(t *testing.T, h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return do(t, h, http.MethodGet, target, header...)
}

func do(t *testing.T, h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestContentTypes(t *testing.T) {
	s := newTestSite(t)
	for target, want := range map[string]string{
		"/":                               "text/html; charset=utf-8",
		"/index.html":                     "text/html; charset=utf-8",
		"/akash-provider-web.wasm":        "application/wasm",
		"/akash-provider-web.min.js":      "text/javascript; charset=utf-8",
		"/akash-provider-web.min.js.map":  "application/json",
		"/something.with.unknown-ending1": "application/octet-stream",
	} {
		w := get(t, s, target)
		assert.Equal(t, http.StatusOK, w.Code, target)
		assert.Equal(t, want, w.Header().Get("Content-Type"), target)
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), target)
	}
}

func TestOnlyFilesOfTheSiteAreServed(t *testing.T) {
	s := newTestSite(t)
	for _, target := range []string{"/.gitkeep", "/akash-provider-web.wasm.br", "/nothing", "/../site.go", "//index.html"} {
		assert.Equal(t, http.StatusNotFound, get(t, s, target).Code, target)
	}
}

func TestTheEncodingIsNegotiated(t *testing.T) {
	s := newTestSite(t)
	for _, test := range []struct{ accept, encoding, body string }{
		{"", "", "\x00asm module"},
		{"gzip, deflate, br, zstd", "br", "br module"},
		{"gzip, deflate", "gzip", "gz module"},
		{"x-gzip", "gzip", "gz module"},
		{"br;q=0.5, gzip;q=0.9", "gzip", "gz module"},
		{"br;q=0, *", "gzip", "gz module"},
		{"*;q=0.1", "br", "br module"},
		{"BR ; Q=1.0", "br", "br module"},
		{"deflate", "", "\x00asm module"},
		{"br;q=nonsense", "", "\x00asm module"},
		{"br;q=NaN", "", "\x00asm module"},
		{"br;q=2", "", "\x00asm module"},
		{"identity, br;q=0.2", "", "\x00asm module"},
		{", ,;q=1,", "", "\x00asm module"},
	} {
		w := get(t, s, "/akash-provider-web.wasm", "Accept-Encoding", test.accept)
		assert.Equal(t, test.encoding, w.Header().Get("Content-Encoding"), test.accept)
		assert.Equal(t, test.body, w.Body.String(), test.accept)
		assert.Equal(t, "application/wasm", w.Header().Get("Content-Type"), test.accept)
		assert.Equal(t, "Accept-Encoding", w.Header().Get("Vary"), test.accept)
	}

	w := get(t, s, "/akash-provider-web.wasm", "Accept-Encoding", "gzip", "Accept-Encoding", "br")
	assert.Equal(t, "br module", w.Body.String(), "a header may have several lines")

	w = get(t, s, "/", "Accept-Encoding", "br, gzip")
	assert.Equal(t, "gz page", w.Body.String(), "a file may lack an encoding")
}

func TestEncodedFilesHaveAContentLength(t *testing.T) {
	s := newTestSite(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		w := do(t, s, method, "/akash-provider-web.wasm", "Accept-Encoding", "br")
		assert.Equal(t, "9", w.Header().Get("Content-Length"), method)
		w = do(t, s, method, "/akash-provider-web.wasm")
		assert.Equal(t, "11", w.Header().Get("Content-Length"), method)
	}
}

func TestHeadHasTheHeadersOfGet(t *testing.T) {
	s := newTestSite(t)
	w := do(t, s, http.MethodHead, "/")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Empty(t, w.Body.String())
	assert.NotEmpty(t, w.Header().Get("ETag"))
}

func TestOtherMethodsAreRefused(t *testing.T) {
	w := do(t, newTestSite(t), http.MethodPost, "/")
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
}

func TestETagsAreRevalidated(t *testing.T) {
	s := newTestSite(t)
	first := get(t, s, "/akash-provider-web.wasm", "Accept-Encoding", "br")
	tag := first.Header().Get("ETag")
	require.NotEmpty(t, tag)
	assert.Equal(t, "no-cache", first.Header().Get("Cache-Control"))

	again := get(t, s, "/akash-provider-web.wasm", "Accept-Encoding", "br", "If-None-Match", tag)
	assert.Equal(t, http.StatusNotModified, again.Code)
	assert.Empty(t, again.Body.String())
	assert.Equal(t, tag, again.Header().Get("ETag"))

	weak := get(t, s, "/akash-provider-web.wasm", "Accept-Encoding", "br", "If-None-Match", `"other", W/`+tag)
	assert.Equal(t, http.StatusNotModified, weak.Code)

	other := get(t, s, "/akash-provider-web.wasm", "Accept-Encoding", "gzip", "If-None-Match", tag)
	assert.Equal(t, http.StatusOK, other.Code, "each encoding has its own tag")
}

func TestAFileRequestedByItsHashIsImmutable(t *testing.T) {
	s := newTestSite(t)
	version := s.assets["/akash-provider-web.min.js"].version

	right := get(t, s, "/akash-provider-web.min.js?v="+version)
	assert.Equal(t, "public, max-age=31536000, immutable", right.Header().Get("Cache-Control"))

	// A page of another release gets a working file, but must not cache it.
	wrong := get(t, s, "/akash-provider-web.min.js?v=0123456789abcdef")
	assert.Equal(t, http.StatusOK, wrong.Code)
	assert.Equal(t, "no-cache", wrong.Header().Get("Cache-Control"))
}

func TestAFileWithAHashInItsNameIsImmutable(t *testing.T) {
	s := newTestSite(t)
	w := get(t, s, "/chunks/view-ABCD2345.js")
	assert.Equal(t, "public, max-age=31536000, immutable", w.Header().Get("Cache-Control"))
	// A page of another release must not mix its chunks with these.
	assert.Equal(t, http.StatusNotFound, get(t, s, "/chunks/view-OTHER222.js").Code)
}

func TestSecurityHeaders(t *testing.T) {
	s := newTestSite(t)

	page := get(t, s, "/").Header()
	policy := page.Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'none'")
	assert.Contains(t, policy, "'wasm-unsafe-eval'")
	assert.Contains(t, policy, "frame-ancestors 'none'")
	assert.NotContains(t, policy, "unsafe-inline")
	assert.NotContains(t, policy, "'unsafe-eval'")
	assert.Empty(t, page.Get("Access-Control-Allow-Origin"))

	client := get(t, s, "/akash-provider-web.wasm").Header()
	assert.Equal(t, "*", client.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "cross-origin", client.Get("Cross-Origin-Resource-Policy"))
}

func TestFilesThatAreNotBuiltAreReported(t *testing.T) {
	s, err := newSite(fstest.MapFS{".gitkeep": {}})
	require.NoError(t, err)

	w := get(t, s, "/")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Contains(t, w.Body.String(), "make build")
	assert.Empty(t, do(t, s, http.MethodHead, "/").Body.String())
}

func TestTheEmbeddedFilesAreServed(t *testing.T) {
	w := get(t, Handler(), "/")
	assert.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, w.Code, "built or not")
}
