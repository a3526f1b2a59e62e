package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The stack trace of a trimmed program becomes readable with its symbols, and the
// program behaves as before.
func TestTraceOfTrimmedProgram(t *testing.T) {
	dir := t.TempDir()
	module, symbols := filepath.Join(dir, "panics.wasm"), filepath.Join(dir, "panics.symbols")

	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", module, "./testdata/panics")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	output(t, build)
	output(t, exec.Command("go", "run", "../trim", module, symbols))
	trimmed, err := os.ReadFile(module)
	require.NoError(t, err)
	assert.NotContains(t, string(trimmed), "main.(*server).serve")

	root := strings.TrimSpace(string(output(t, exec.Command("go", "env", "GOROOT"))))
	var trace bytes.Buffer
	node := exec.Command("node", filepath.Join(root, "lib/wasm/wasm_exec_node.js"), module)
	node.Env = append(os.Environ(), "GOTRACEBACK=system")
	node.Stderr = &trace
	assert.Error(t, node.Run())
	assert.Contains(t, trace.String(), "recovered too deep: false\nrecovered: on purpose\npanic: runtime error: index out of range [1] with length 1\n")
	assert.NotContains(t, trace.String(), "main.")

	var read bytes.Buffer
	require.NoError(t, run(symbols, &trace, &read))
	assert.Contains(t, read.String(), "panic: runtime error: index out of range [1] with length 1\n")
	const source = "akash-provider-web/wasm/symbolize/testdata/panics/main.go"
	assert.Regexp(t, `\nmain\.\(\*server\)\.serve\(.*\)\n\t`+source+`:23\n`, read.String())
	assert.Regexp(t, `\nmain\.main\(\)\n\t`+source+`:17\n`, read.String())
}

func output(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, out)
	return out
}

func TestAFileWithoutSymbolsIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "symbols")
	require.NoError(t, os.WriteFile(path, []byte("text"), 0o644))
	assert.ErrorContains(t, run(path, strings.NewReader(""), &bytes.Buffer{}), path)
	assert.Error(t, run(path+"x", strings.NewReader(""), &bytes.Buffer{}))
}
