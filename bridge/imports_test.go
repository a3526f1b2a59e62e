package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const modulePath = "akash-provider-web"

// A room is a package or, with "/...", a tree of packages, and the packages of this module
// that it may import. The most specific room that matches a package applies.
type room struct {
	packages string
	may      []string
	because  string
}

// rooms is the plan in .github/ARCHITECTURE.md. A package that is in none of them has to be
// added.
var rooms = []room{
	{"proto/...", []string{"proto/..."}, "messages stand on their own"},

	{"bridge", []string{"bridge/...", "web", "proto/..."}, "main wires the bridge's packages, and nothing of the test server belongs in it"},
	{"bridge/conformance", []string{"bridge/..."}, "it wires the bridge's packages, as main does"},
	{"bridge/gateway/...", []string{"bridge/access", "bridge/fanout", "bridge/guard", "bridge/limit", "bridge/provider", "bridge/relay", "bridge/rest", "bridge/rpcerror", "bridge/trace", "bridge/sdk", "bridge/internal/...", "proto/..."}, "it decides on a call and dispatches it, and does not know how browsers speak"},
	{"bridge/consoleproxy", []string{"bridge/guard", "bridge/provider", "bridge/rest", "bridge/rpcerror", "bridge/trace", "bridge/internal/..."}, "it speaks the protocol of Console's provider proxy, and knows no gRPC"},
	{"bridge/grpcweb/...", []string{"bridge/grpcweb/...", "bridge/guard", "bridge/relay", "bridge/rpcerror", "bridge/trace", "bridge/internal/..."}, "it writes a relay.Response as gRPC-Web, and knows no providers"},
	{"bridge/edge/...", []string{"bridge/edge/...", "bridge/grpcweb", "bridge/guard", "bridge/manifest", "bridge/relay", "bridge/rpcerror", "bridge/internal/...", "proto/..."}, "it receives calls in each protocol, and knows no providers"},
	{"bridge/reflection", []string{"bridge/relay", "bridge/rpcerror"}, "it describes services, and calls none"},
	{"bridge/chainrpc", []string{"bridge/chain", "bridge/relay", "bridge/rpcerror", "proto/..."}, "it answers what is asked of the chain, and knows no providers"},
	{"bridge/relay", []string{"bridge/rpcerror", "bridge/trace", "bridge/internal/..."}, "it moves frames without decoding them, and knows no certificates and no chain"},
	{"bridge/rest/...", []string{"bridge/provider", "bridge/trust", "bridge/rest/...", "bridge/rpcerror", "bridge/trace", "bridge/internal/...", "proto/..."}, "it speaks REST with providers, and knows no browsers"},
	{"bridge/manifest", []string{"proto/..."}, "it converts manifests, and sends none"},
	{"bridge/sdk", []string{"bridge/manifest", "bridge/provider", "bridge/rpcerror", "bridge/internal/...", "proto/..."}, "it speaks the SDK's LeaseRPC with providers, and knows no browsers"},
	{"bridge/provider", []string{"bridge/chain", "bridge/guard", "bridge/trust", "bridge/rpcerror", "bridge/trace", "bridge/internal/...", "proto/..."}, "it connects to providers, and knows no browsers"},
	{"bridge/trust", []string{"bridge/chain", "bridge/rpcerror", "bridge/internal/..."}, "it judges certificates, and opens no connections"},
	{"bridge/chain", []string{"bridge/chain/light", "bridge/chain/proof", "bridge/rpcerror", "bridge/internal/...", "proto/..."}, "it asks the chain, and knows nothing of providers' protocols"},
	{"bridge/chain/light", []string{"bridge/internal/happyeyeballs"}, "it verifies headers, in WebAssembly as well, and sends no requests"},
	{"bridge/chain/proof", []string{"bridge/internal/bech32"}, "it verifies answers, in WebAssembly as well, and sends no requests"},
	{"bridge/fanout", []string{"bridge/rpcerror", "bridge/internal/..."}, "it shares a stream, and does not know what is in it"},
	{"bridge/access", []string{"bridge/rpcerror"}, "it knows the bridge's callers, and no providers"},
	{"bridge/limit", []string{"bridge/rpcerror"}, "it counts calls, and does not know what they are"},
	{"bridge/trace", nil, "everything uses it, so it depends on nothing"},
	{"bridge/guard", []string{"bridge/rpcerror"}, "every edge calls it, so it depends on none of them"},
	{"bridge/rpcerror", []string{"proto/..."}, "everything uses it, so it depends on nothing"},
	{"bridge/deploy/...", nil, "it packs and checks the bridge, and is no part of it"},
	{"bridge/internal/...", []string{"bridge/internal/..."}, "general code knows nothing of Akash"},

	{"wasm", []string{"wasm/..."}, "the module holds the client only"},
	{"wasm/conformance", []string{"wasm/..."}, "it wires the client's packages, as the module's main does"},
	{"wasm/browser", []string{"wasm/client", "wasm/grpcweb"}, "it is the platform below the client, and implements its interfaces"},
	{"wasm/client", []string{"wasm/grpcweb", "wasm/message", "wasm/token"}, "it knows no browser, so that its tests run natively"},
	{"wasm/grpcweb", nil, "it knows neither a browser nor Akash"},
	{"wasm/message", nil, "it reads and writes bytes"},
	{"wasm/token", nil, "it reads a token's claims"},
	{"wasm/trim", nil, "it works on modules of any program"},
	{"wasm/symbolize", nil, "it works on modules of any program"},

	{"web/...", nil, "the bridge embeds it, not the other way round"},

	{"testserver/...", []string{"testserver/...", "proto/..."}, "it stands for the world outside: code that it shared with the bridge would hide the bridge's mistakes"},
}

// A fence is an import that only some packages may have.
type fence struct {
	imports string // with "/...", everything below it, too
	within  string // the packages to which the fence applies
	except  []string
	because string
}

var fences = []fence{
	{"syscall/js", "...", []string{"wasm/browser"}, "package browser is the only place that touches JavaScript"},
	{"github.com/improbable-eng/grpc-web/...", "...", []string{"bridge/grpcweb/..."}, "the wrapper and what mends it stand in one place"},
	{"go.opentelemetry.io/...", "...", []string{"bridge/trace", "bridge"}, "the rest uses trace.Span, which costs nothing while traces are off"},
	{"google.golang.org/protobuf/...", "wasm/...", nil, "generated messages cost the module more than an empty Go program; use wasm/message"},
	{"google.golang.org/grpc/...", "wasm/...", nil, "it would triple the module; use wasm/grpcweb"},
	{"fmt", "wasm/...", []string{"wasm/trim", "wasm/symbolize"}, "it costs the module 152 KB; concatenate"},
	{"time", "wasm/...", []string{"wasm/trim", "wasm/symbolize"}, "it costs the module 80 KB; use browser.Clock"},
	{"context", "wasm/...", []string{"wasm/trim", "wasm/symbolize"}, "with timeouts it costs the module 95 KB; use client.Scope"},
	{"net/http", "wasm/...", nil, "requests go through the browser's fetch"},
}

// Packages import in one direction, as shown in .github/ARCHITECTURE.md.
func TestImportDirections(t *testing.T) {
	files := 0
	imports(t, "..", func(file, from, imported string) {
		files++
		assert.Empty(t, offence(from, imported), "%s imports %s", file, imported)
	})
	assert.Greater(t, files, 500, "imports found in the repository")
}

// What verifies the chain's answers compiles for WebAssembly, and does not bring along
// what only a server has: pages are to check the same proofs.
func TestVerificationIsFitForWebAssembly(t *testing.T) {
	for _, name := range []string{"light", "proof"} {
		list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./chain/"+name)
		list.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
		out, err := list.Output()
		require.NoError(t, err)
		deps := strings.Fields(string(out))
		assert.Contains(t, deps, modulePath+"/bridge/chain/"+name)
		for _, dep := range deps {
			assert.False(t, matches("net/http/...", dep) || matches("google.golang.org/grpc/...", dep) ||
				matches("google.golang.org/protobuf/proto/...", dep), "%s imports %s", name, dep)
		}
		build := exec.CommandContext(t.Context(), "go", "build", "./chain/"+name)
		build.Env = list.Env
		text, err := build.CombinedOutput()
		assert.NoError(t, err, "%s", text)
	}
}

func TestOffencesAreFound(t *testing.T) {
	for _, bad := range [][2]string{
		{"bridge/relay", modulePath + "/bridge/trust"},
		{"bridge/trust", modulePath + "/bridge/provider"},
		{"bridge/internal/h2", modulePath + "/bridge/rpcerror"},
		{"bridge/rest", modulePath + "/testserver/fake"},
		{"testserver/fake", modulePath + "/bridge/rpcerror"},
		{"wasm/client", "syscall/js"},
		{"wasm/client", "google.golang.org/protobuf/proto"},
		{"wasm/client", modulePath + "/wasm/browser"},
		{"bridge/unheard/of", modulePath + "/bridge/guard"},
		{"bridge", "github.com/improbable-eng/grpc-web/go/grpcweb"},
	} {
		assert.NotEmpty(t, offence(bad[0], bad[1]), "%s imports %s", bad[0], bad[1])
	}
	assert.Empty(t, offence("bridge/rest/logs", modulePath+"/bridge/internal/coalesce"))
	assert.Empty(t, offence("wasm/trim", "fmt"))
}

// offence returns why a package must not import another, or "".
func offence(from, imported string) string {
	for _, f := range fences {
		if matches(f.imports, imported) && matches(f.within, from) && !anyMatches(f.except, from) {
			return "not in " + from + ": " + f.because
		}
	}
	own, ok := strings.CutPrefix(imported, modulePath+"/")
	if !ok {
		return ""
	}
	var found *room
	for i, r := range rooms {
		if matches(r.packages, from) && (found == nil || len(r.packages) > len(found.packages)) {
			found = &rooms[i]
		}
	}
	if found == nil {
		return from + " is in no room: add it to the table in bridge/imports_test.go and to .github/ARCHITECTURE.md"
	}
	if !anyMatches(found.may, own) {
		return from + " may import " + strings.Join(found.may, ", ") + " of this module: " + found.because
	}
	return ""
}

func anyMatches(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if matches(pattern, name) {
			return true
		}
	}
	return false
}

// matches reports whether a pattern of the go command matches a package.
func matches(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	tree, ok := strings.CutSuffix(pattern, "/...")
	return name == tree || ok && strings.HasPrefix(name, tree+"/")
}

// imports calls visit for each import of each Go file that is not a test, for all operating
// systems.
func imports(t *testing.T, root string, visit func(file, from, imported string)) {
	require.NoError(t, filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case ".git", ".tools", "node_modules", "bin", "dist", "gen":
				return filepath.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			visit(relative, path.Dir(relative), imported)
		}
		return nil
	}))
}
