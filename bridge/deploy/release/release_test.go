package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// somebody who builds a release again gets the same bytes, and can compare SHA256SUMS.
func TestAReleaseIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the bridge")
	}
	// Not in this process, where compression would take minutes under the race detector.
	tool := filepath.Join(t.TempDir(), "release")
	built, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput()
	require.NoError(t, err, string(built))
	_, err = exec.LookPath("dpkg-deb")
	deb := err == nil && runtime.GOOS == "linux"
	platform := runtime.GOOS + "/" + runtime.GOARCH
	var sums [2]string
	var out string
	for i := range sums {
		out = t.TempDir()
		pack := exec.CommandContext(t.Context(), tool, "-version", "1.2.3", "-commit", "0123abc", "-epoch", "1000000000",
			"-out", out, "-platforms", platform, fmt.Sprintf("-deb=%t", deb))
		pack.Dir = "../../.."
		printed, err := pack.CombinedOutput()
		require.NoError(t, err, string(printed))
		text, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
		require.NoError(t, err)
		sums[i] = string(text)
	}
	assert.Equal(t, sums[0], sums[1])

	name := program + "_1.2.3_" + runtime.GOOS + "_" + runtime.GOARCH
	unpacked := t.TempDir()
	require.NoError(t, exec.Command("tar", "-xzf", filepath.Join(out, name+".tar.gz"), "-C", unpacked).Run())
	version, err := exec.Command(filepath.Join(unpacked, name, program), "--version").Output()
	require.NoError(t, err)
	assert.Contains(t, string(version), "commit 0123abc,")
	if !deb {
		return
	}
	package_ := filepath.Join(out, program+"_1.2.3_"+runtime.GOARCH+".deb")
	installed := t.TempDir()
	require.NoError(t, exec.Command("dpkg-deb", "--extract", package_, installed).Run())
	check := exec.Command(filepath.Join(installed, "usr/bin", program), "--check", "--config", filepath.Join(installed, "etc/akash-bridge/bridge.yaml"))
	printed, err := check.CombinedOutput()
	require.NoError(t, err, string(printed))
	assert.FileExists(t, filepath.Join(installed, "usr/lib/systemd/system", program+".service"))
}

func TestArchivesDependOnTheirFilesOnly(t *testing.T) {
	files := []file{{name: "a", content: []byte("text")}, {name: "program", content: []byte("code"), executable: true}}
	at := time.Unix(1_000_000_000, 0).UTC()
	dir := t.TempDir()
	for _, name := range []string{"1", "2"} {
		require.NoError(t, writeTar(filepath.Join(dir, name+".tar.gz"), "top", files, at))
		require.NoError(t, writeZip(filepath.Join(dir, name+".zip"), "top", files, at))
	}
	for _, kind := range []string{".tar.gz", ".zip"} {
		one, err := os.ReadFile(filepath.Join(dir, "1"+kind))
		require.NoError(t, err)
		two, err := os.ReadFile(filepath.Join(dir, "2"+kind))
		require.NoError(t, err)
		assert.Equal(t, one, two, kind)
	}

	packed, err := os.Open(filepath.Join(dir, "1.tar.gz"))
	require.NoError(t, err)
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	require.NoError(t, err)
	r := tar.NewReader(unpacked)
	for _, want := range files {
		header, err := r.Next()
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, "top/"+want.name, header.Name)
		assert.Equal(t, want.mode(), header.Mode)
		assert.True(t, at.Equal(header.ModTime))
		assert.Equal(t, want.content, content)
	}
	zipped, err := zip.OpenReader(filepath.Join(dir, "1.zip"))
	require.NoError(t, err)
	defer zipped.Close()
	assert.Equal(t, os.FileMode(0o755), zipped.File[1].Mode())
}

func TestUnknownLicencesStopARelease(t *testing.T) {
	component := func(licence string) string {
		return `{"components":[{"name":"std"},{"name":"a.example/b","evidence":{"licenses":[` + licence + `]}}]}`
	}
	assert.NoError(t, checkLicences([]byte(component(`{"license":{"id":"MIT"}}`))))
	for _, licence := range []string{"", `{"license":{"id":"AGPL-3.0-only"}}`, `{"license":{"id":"MIT"}},{"license":{"name":"My own"}}`} {
		assert.ErrorContains(t, checkLicences([]byte(component(licence))), "a.example/b", licence)
	}
	assert.ErrorContains(t, checkLicences([]byte(`{}`)), "empty")
}
