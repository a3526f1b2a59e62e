package check

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The chain's SDK validates the file, and makes groups and a manifest of it.
const validateSDL = `
import { readFileSync } from "node:fs";
import { generateManifest, yaml, validateSDL } from "@akashnetwork/chain-sdk";
const sdl = readFileSync(process.argv[1], "utf8");
const parsed = yaml([sdl]); // a tag of template strings
const errors = validateSDL(parsed);
if (errors) throw new Error(JSON.stringify(errors));
const manifest = generateManifest(parsed);
if (!manifest.ok) throw new Error(JSON.stringify(manifest.value));
console.log(JSON.stringify(manifest.value, (_, v) => (typeof v === "bigint" ? String(v) : v)));
`

func TestTheSDLIsValid(t *testing.T) {
	modules, err := filepath.Abs(filepath.Join(root, "npm/test/clients"))
	require.NoError(t, err)
	file, err := filepath.Abs("../akash.yaml")
	require.NoError(t, err)
	node := exec.Command("node", "--input-type=module", "--eval", validateSDL, file)
	node.Dir = modules
	out, err := node.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "akash-provider-bridge")
}
