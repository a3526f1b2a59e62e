package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../../.." // of the repository

// stages parses the Dockerfile.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	parsed, err := parser.Parse(bytes.NewReader(text))
	require.NoError(t, err)
	assert.Empty(t, parsed.Warnings)
	found, _, err := instructions.Parse(parsed.AST, nil)
	require.NoError(t, err)
	return found
}

// find returns the only command of a type in a stage.
func find[C instructions.Command](t *testing.T, stage instructions.Stage) C {
	t.Helper()
	var found []C
	for _, command := range stage.Commands {
		if c, ok := command.(C); ok {
			found = append(found, c)
		}
	}
	require.Len(t, found, 1)
	return found[0]
}

func TestTheImageHasNothingButTheBridge(t *testing.T) {
	all := stages(t)
	image := all[len(all)-1]
	assert.Equal(t, "scratch", image.BaseName)
	copied := find[*instructions.CopyCommand](t, image)
	assert.Equal(t, "build", copied.From)
	assert.Equal(t, []string{"/src/image/"}, copied.SourcePaths)
	assert.Equal(t, "65532:65532", find[*instructions.UserCommand](t, image).User, "not root, and a number, which Kubernetes can check")
	assert.Equal(t, []string{"/akash-provider-bridge"}, []string(find[*instructions.EntrypointCommand](t, image).CmdLine))
	assert.Equal(t, []string{"CMD", "/akash-provider-bridge", "--healthcheck"}, find[*instructions.HealthCheckCommand](t, image).Health.Test)
}

// There is no Docker here, so the steps of the stage that builds run in a directory of their
// own, twice.
func TestTheImageIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything twice")
	}
	all := stages(t)
	build := all[len(all)-2]
	require.Equal(t, "build", build.Name)
	first, again := buildImage(t, build), buildImage(t, build)
	assert.Equal(t, digest(t, first), digest(t, again))

	bridge := filepath.Join(first, "akash-provider-bridge")
	version, err := exec.Command(bridge, "--version").CombinedOutput()
	require.NoError(t, err)
	assert.Contains(t, string(version), "commit 0123abc,")
	info, err := os.Stat(bridge)
	require.NoError(t, err)
	assert.Equal(t, time.Unix(1_000_000_000, 0), info.ModTime())
	authorities, err := os.ReadFile(filepath.Join(first, "etc/ssl/certs/ca-certificates.crt"))
	require.NoError(t, err)
	assert.Contains(t, string(authorities), "BEGIN CERTIFICATE")
	entries, err := os.ReadDir(first)
	require.NoError(t, err)
	assert.Len(t, entries, 2)

	static, err := exec.Command("go", "version", "-m", bridge).CombinedOutput()
	require.NoError(t, err)
	assert.Contains(t, string(static), "CGO_ENABLED=0")
	assert.Contains(t, string(static), "GOARCH="+runtime.GOARCH)
}

// buildImage runs the steps of a stage, and returns the directory of the image's files.
func buildImage(t *testing.T, stage instructions.Stage) string {
	t.Helper()
	dir := t.TempDir()
	env := append(os.Environ(), "COMMIT=0123abc", "SOURCE_DATE_EPOCH=1000000000", "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH)
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.WorkdirCommand, *instructions.ArgCommand:
		case *instructions.CopyCommand:
			require.Equal(t, []string{"."}, c.SourcePaths)
			copyContext(t, dir)
		case *instructions.RunCommand:
			require.True(t, c.PrependShell)
			run := exec.Command("sh", "-c", strings.Join(c.CmdLine, " "))
			run.Dir, run.Env = dir, env
			out, err := run.CombinedOutput()
			require.NoError(t, err, "%s: %s", c, out)
		default:
			require.Fail(t, "unexpected step", "%s", command)
		}
	}
	return filepath.Join(dir, "image")
}

// copyContext copies what Docker would send to the build.
func copyContext(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open("../Dockerfile.dockerignore")
	require.NoError(t, err)
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	require.NoError(t, err)
	ignored, err := patternmatcher.New(patterns)
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || name == "." {
			return err
		}
		skip, err := ignored.MatchesOrParentMatches(name)
		switch {
		case err != nil:
			return err
		case skip && entry.IsDir() && name != "web/dist":
			return filepath.SkipDir
		case skip && !entry.IsDir():
			return nil
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is not a regular file", name)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), content, info.Mode())
	}))
}

// digest returns a hash of the names, modes, times and contents of the files in a directory.
func digest(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintln(h, name, info.Mode(), info.ModTime().UnixNano())
		if entry.IsDir() {
			return nil
		}
		content, err := os.ReadFile(path)
		h.Write(content)
		return err
	}))
	return hex.EncodeToString(h.Sum(nil))
}
