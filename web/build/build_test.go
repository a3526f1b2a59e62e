package main

import (
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newTree writes source files and returns options to build them.
func newTree(t *testing.T, files map[string]string) options {
	t.Helper()
	root := t.TempDir()
	o := options{
		src:    filepath.Join(root, "src"),
		bundle: filepath.Join(root, "bundle"),
		client: filepath.Join(root, "client"),
		out:    filepath.Join(root, "out"),
		cache:  filepath.Join(root, "cache"),
	}
	require.NoError(t, os.Mkdir(o.src, 0o755))
	require.NoError(t, os.Mkdir(o.bundle, 0o755))
	all := map[string]string{
		"client/akash-provider-web.js":   "var AkashProvider = (() => { return { answer: 42 } })();\n",
		"client/akash-provider-web.wasm": "\x00asm" + strings.Repeat("module ", 1000),
	}
	for name, body := range files {
		all[name] = body
	}
	for name, body := range all {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(body), 0o644))
	}
	return o
}

func (o options) output(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(o.out, name))
	require.NoError(t, err)
	return string(body)
}

func TestReferencesContainTheHash(t *testing.T) {
	o := newTree(t, map[string]string{
		"src/index.html": `<!doctype html><html lang="en"><head><title>T</title>
			<link rel="stylesheet" href="/app.css"><script src="/akash-provider-web.min.js"></script>
			<script type="module" src="/app.js"></script></head><body><a href="/elsewhere">x</a></body></html>`,
		"bundle/app.css": "body {\n  color: red;\n}\n",
		"bundle/app.js":  "import { bar } from './bar.js';\nbar();\n",
		"bundle/bar.js":  "export function bar() { console.log('bar') }\n",
	})
	require.NoError(t, build(o))

	page := o.output(t, "index.html")
	for _, name := range []string{"app.css", "app.js", "akash-provider-web.min.js"} {
		assert.Contains(t, page, `"/`+name+`?v=`+version([]byte(o.output(t, name)))+`"`)
	}
	assert.Contains(t, page, `href="/elsewhere"`, "references to other files are unchanged")
	assert.Regexp(t, regexp.MustCompile(`"\./bar\.js\?v=[0-9a-f]{16}"`), o.output(t, "app.js"))
	assert.Equal(t, "body{color:red}", o.output(t, "app.css"))
}

func TestAChangedFileChangesReferencesToIt(t *testing.T) {
	files := map[string]string{
		"src/index.html": `<script type="module" src="/app.js"></script>`,
		"bundle/app.js":  "import './bar.js'\n",
		"bundle/bar.js":  "console.log(1)\n",
	}
	o := newTree(t, files)
	require.NoError(t, build(o))
	before := o.output(t, "index.html")

	require.NoError(t, os.WriteFile(filepath.Join(o.bundle, "bar.js"), []byte("console.log(2)\n"), 0o644))
	require.NoError(t, build(o))
	assert.NotEqual(t, before, o.output(t, "index.html"))
}

func TestCyclicReferencesAreAnError(t *testing.T) {
	o := newTree(t, map[string]string{
		"bundle/a.js": "import './b.js'\n",
		"bundle/b.js": "import './a.js'\n",
	})
	assert.ErrorContains(t, build(o), "cycle")
}

// The bundler has hashed the names of chunks, with all that they import.
func TestChunksKeepTheirNamesAndMayReferToEachOther(t *testing.T) {
	files := map[string]string{
		"bundle/app.js":               "import { a } from './chunks/a-ABCD2345.js';\na();\n",
		"bundle/chunks/a-ABCD2345.js": "export function a() { return import('./b-EFGH6789.js') }\n",
		"bundle/chunks/b-EFGH6789.js": "import { a } from './a-ABCD2345.js';\nexport const b = a;\n",
		"out/chunks/old-XXXXXXXX.js":  "gone",
	}
	o := newTree(t, files)
	require.NoError(t, build(o))
	assert.Contains(t, o.output(t, "app.js"), `"./chunks/a-ABCD2345.js"`)
	assert.Equal(t, `export function a(){return import("./b-EFGH6789.js")}`, o.output(t, "chunks/a-ABCD2345.js"))
	assert.Contains(t, o.output(t, "chunks/b-EFGH6789.js"), `"./a-ABCD2345.js"`)
	assert.NoFileExists(t, filepath.Join(o.out, "chunks", "old-XXXXXXXX.js"))
}

func TestAFileInTwoPlacesIsAnError(t *testing.T) {
	o := newTree(t, map[string]string{"src/app.js": "1", "bundle/app.js": "2"})
	assert.ErrorContains(t, build(o), "app.js is in both")
}

func TestAMissingBundleIsReported(t *testing.T) {
	o := newTree(t, nil)
	require.NoError(t, os.Remove(o.bundle))
	assert.ErrorContains(t, build(o), "not bundled")
}

func TestTheClientIsMinified(t *testing.T) {
	o := newTree(t, nil)
	require.NoError(t, build(o))
	assert.Contains(t, o.output(t, "akash-provider-web.min.js"), "answer:42")
	assert.Less(t, len(o.output(t, "akash-provider-web.min.js")), 58)
}

func TestIntegrityHashes(t *testing.T) {
	o := newTree(t, nil)
	require.NoError(t, build(o))
	var sums map[string]string
	require.NoError(t, json.Unmarshal([]byte(o.output(t, "sri.json")), &sums))
	assert.Len(t, sums, 2)
	for name, sum := range sums {
		want := sha512.Sum384([]byte(o.output(t, name)))
		assert.Equal(t, "sha384-"+base64.StdEncoding.EncodeToString(want[:]), sum, name)
	}
}

func TestEncodingsDecodeToTheFile(t *testing.T) {
	o := newTree(t, nil)
	for range 2 { // first compressed, then read from the cache
		require.NoError(t, build(o))
		want := o.output(t, "akash-provider-web.wasm")

		got, err := io.ReadAll(brotli.NewReader(strings.NewReader(o.output(t, "akash-provider-web.wasm.br"))))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))

		zr, err := gzip.NewReader(strings.NewReader(o.output(t, "akash-provider-web.wasm.gz")))
		require.NoError(t, err)
		got, err = io.ReadAll(zr)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	assert.NoFileExists(t, filepath.Join(o.out, "akash-provider-web.min.js.br"), "too small to benefit")
}

func TestUnusedFilesAreRemovedFromTheCache(t *testing.T) {
	o := newTree(t, nil)
	require.NoError(t, build(o))
	before, err := os.ReadDir(o.cache)
	require.NoError(t, err)
	require.NotEmpty(t, before)

	module := "\x00asm" + strings.Repeat("another ", 1000)
	require.NoError(t, os.WriteFile(filepath.Join(o.client, "akash-provider-web.wasm"), []byte(module), 0o644))
	require.NoError(t, build(o))
	after, err := os.ReadDir(o.cache)
	require.NoError(t, err)
	assert.Len(t, after, len(before))
	assert.NotEqual(t, before[0].Name(), after[0].Name())
}

func TestASecondBuildChangesOnlyWhatIsStale(t *testing.T) {
	o := newTree(t, map[string]string{"src/index.html": "<!doctype html><title>T</title>"})
	require.NoError(t, os.MkdirAll(o.out, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(o.out, ".gitkeep"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(o.out, "old.js"), []byte("gone"), 0o644))
	require.NoError(t, build(o))

	assert.FileExists(t, filepath.Join(o.out, ".gitkeep"))
	assert.NoFileExists(t, filepath.Join(o.out, "old.js"))
	before, err := os.Stat(filepath.Join(o.out, "index.html"))
	require.NoError(t, err)

	require.NoError(t, build(o))
	after, err := os.Stat(filepath.Join(o.out, "index.html"))
	require.NoError(t, err)
	assert.Equal(t, before.ModTime(), after.ModTime())
}

func TestAMissingClientIsReported(t *testing.T) {
	o := newTree(t, nil)
	require.NoError(t, os.Remove(filepath.Join(o.client, "akash-provider-web.wasm")))
	assert.ErrorContains(t, build(o), "npm package is not built")
}

func TestSyntaxErrorsNameTheFile(t *testing.T) {
	o := newTree(t, map[string]string{"bundle/app.js": "function ( {"})
	assert.ErrorContains(t, build(o), "app.js")
}

// A later minifier may do it right. Then this test fails, and the check can go.
func TestCodeThatTheMinifierMisreadsIsAnError(t *testing.T) {
	const code = "x = (a[i] ?? f(0)) | b\n"
	out, err := minifier.Bytes("text/javascript", []byte(code))
	require.NoError(t, err)
	assert.Equal(t, "x=a[i]??f(0)|b", string(out))

	_, err = minifyAsset("app.js", []byte(code))
	assert.ErrorContains(t, err, "(a[i] ?? f(0)) |")
	_, err = minifyAsset("app.js", []byte("x = (a ?? 0) || b; y = (a ?? 0) + 1\n"))
	assert.NoError(t, err)
}

func TestIncompressibleFilesAreNotCompressed(t *testing.T) {
	noise := make([]byte, 4096)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	encoded, err := newCompressor(t.TempDir()).compress(noise)
	require.NoError(t, err)
	assert.Empty(t, encoded)
}
