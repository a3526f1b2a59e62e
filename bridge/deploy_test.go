package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// deployed returns the content of a file of bridge/deploy.
func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("deploy", name))
	require.NoError(t, err)
	return string(text)
}

// The settings in bridge/deploy must be ones that the bridge takes. `make test-deploy` checks
// the rest of these files.
func TestTheSettingsOfDeploymentsAreValid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	accept := func(name, text string, environ ...string) *config {
		t.Helper()
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		c, err := parseConfig([]string{"--config", file}, environ, io.Discard)
		require.NoError(t, err, name)
		return c
	}
	example := deployed(t, "config.example.yaml")
	assert.Equal(t, []string{"https://app.example.com"}, accept("config.example.yaml", example).allowOrigins)

	var configMap struct{ Data map[string]string }
	require.NoError(t, yaml.Unmarshal([]byte(deployed(t, "kubernetes/config.yaml")), &configMap))
	// The variable is the one that the deployment sets, to undo that of the image.
	assert.Equal(t, ":9090", accept("config.yaml", configMap.Data["bridge.yaml"], "AKASH_BRIDGE_LISTEN=").metricsListen)

	var compose struct {
		Services map[string]struct{ Environment map[string]string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(deployed(t, "compose.yaml")), &compose))
	var environ []string
	for name, value := range compose.Services["bridge"].Environment {
		if name != "AKASH_BRIDGE_CONFIG" {
			environ = append(environ, name+"="+value)
		}
	}
	assert.Equal(t, ":8443", accept("compose.yaml", example, environ...).listen)

	var sdl struct {
		Services map[string]struct{ Env []string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(deployed(t, "akash.yaml")), &sdl))
	assert.Equal(t, []string{"https://app.example.com"}, accept("akash.yaml", "", sdl.Services["bridge"].Env...).allowOrigins)

	for _, line := range regexp.MustCompile(`(?m)^ExecStart.*?=/usr/bin/akash-provider-bridge (.*)$`).FindAllStringSubmatch(deployed(t, "systemd/akash-provider-bridge.service"), -1) {
		args := strings.Fields(strings.ReplaceAll(line[1], "/etc/akash-bridge/bridge.yaml", file))
		_, err := parseConfig(args, nil, io.Discard)
		require.NoError(t, err, line[0])
	}
	image := regexp.MustCompile(`(?m)^ENV (AKASH_\S+)$`).FindStringSubmatch(deployed(t, "Dockerfile"))
	require.NotNil(t, image)
	assert.Equal(t, ":8080", accept("Dockerfile", "", image[1]).listen)
}

// An image with other flags than the archives would not have the same program.
func TestTheImageIsBuiltAsByMake(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	flags := regexp.MustCompile(`(?m)^GO_BUILD := CGO_ENABLED=0 go build (.*) -ldflags='(.*)'$`).FindStringSubmatch(string(makefile))
	require.NotNil(t, flags)
	assert.Contains(t, deployed(t, "Dockerfile"), "go build "+flags[1]+` -ldflags="`+flags[2]+" -X main.commit=${COMMIT}\"")
}

// The settings in the documents, too, are ones that the bridge takes.
func TestTheSettingsInTheDocumentsAreValid(t *testing.T) {
	blocks := 0
	for _, name := range []string{"OPERATING.md", "README.md"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			blocks++
			file := filepath.Join(t.TempDir(), "bridge.yaml")
			require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(block[1], "akash1…", someProvider)), 0o600))
			_, err := parseConfig([]string{"--config", file}, nil, io.Discard)
			assert.NoError(t, err, "%s: %s", name, block[1])
		}
		for _, command := range regexp.MustCompile(`(?m)^bin/akash-provider-bridge((?:.*\\\n)*.*)$`).FindAllStringSubmatch(string(text), -1) {
			blocks++
			_, err := parseConfig(strings.Fields(strings.ReplaceAll(command[1], "\\\n", " ")), nil, io.Discard)
			assert.NoError(t, err, "%s: %s", name, command[0])
		}
	}
	assert.GreaterOrEqual(t, blocks, 6)
}

// A rule or an autoscaler that names a metric that has gone does nothing, and says nothing.
func TestTheMetricsInDeploymentsExist(t *testing.T) {
	known := map[string]bool{}
	scan := func(visit func(path, text string)) filepath.WalkFunc {
		return func(path string, info os.FileInfo, err error) error {
			if err != nil || info.IsDir() {
				return err
			}
			switch filepath.Ext(path) {
			case ".go", ".md", ".yaml", ".yml", ".json", ".rules":
				text, err := os.ReadFile(path)
				visit(path, string(text))
				return err
			}
			return nil
		}
	}
	inCode := regexp.MustCompile(`"(akash_bridge_[a-z_]+)"`)
	require.NoError(t, filepath.Walk(".", scan(func(path, text string) {
		if filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
			for _, match := range inCode.FindAllStringSubmatch(text, -1) {
				known[match[1]] = true
			}
		}
	})))
	assert.Greater(t, len(known), 10)
	named := regexp.MustCompile(`\bakash_bridge_[a-z_]*[a-z]\b`)
	found := 0
	require.NoError(t, filepath.Walk(".", scan(func(path, text string) {
		if filepath.Ext(path) == ".go" {
			return
		}
		for _, name := range named.FindAllString(text, -1) {
			found++
			if name == "akash_bridge_chain" { // in "akash_bridge_chain_…"
				continue
			}
			plain := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			assert.True(t, known[name] || known[plain], "%s: no metric %s", path, name)
		}
	})))
	assert.Greater(t, found, 10)
}
