package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const unit = "akash-provider-bridge.service"

// maxExposure is the score of systemd-analyze security, from 0 (best) to 10, that the unit
// must not exceed.
const maxExposure = 1.6

// A unit is verified in a root of its own, which has the programs that it starts.
func TestTheUnitIsValid(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("../systemd/" + unit)
	require.NoError(t, err)
	for _, program := range []string{"usr/bin/akash-provider-bridge"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, program)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"), 0o755))
	}
	installed := filepath.Join(dir, unit)
	text = []byte(strings.ReplaceAll(string(text), "/usr/bin/", filepath.Join(dir, "usr/bin")+"/"))
	require.NoError(t, os.WriteFile(installed, text, 0o644))
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", installed).CombinedOutput()
	assert.NoError(t, err, string(out))
	assert.Empty(t, string(out))
}

func TestTheUnitIsConfined(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=yes", "../systemd/"+unit).CombinedOutput()
	require.NoError(t, err, string(out))
	match := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(string(out))
	require.NotNil(t, match, string(out))
	score, err := strconv.ParseFloat(match[1], 64)
	require.NoError(t, err)
	assert.LessOrEqual(t, score, maxExposure, string(out))
	t.Log("exposure", score)
}
