package check

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The loader validates a file against the schema of the compose specification.
func TestTheComposeFileIsValid(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithConsistency(true))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	bridge := project.Services["bridge"]
	assert.True(t, bridge.ReadOnly)
	assert.Equal(t, []string{"ALL"}, bridge.CapDrop)
	assert.False(t, bridge.Privileged)
	assert.FileExists(t, bridge.Build.Context+"/"+bridge.Build.Dockerfile)
	assert.FileExists(t, bridge.Build.Context+"/go.mod")
}
