package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// licences are those under which a dependency may be distributed with the bridge. The
// detection takes the BSD licence of the Go project for BSD-Source-Code.
var licences = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-Source-Code", "ISC", "MIT"}

// bill is the part of a bill of materials (CycloneDX) that is checked.
type bill struct {
	Components []struct {
		Name     string
		Evidence struct {
			Licenses []struct{ License struct{ ID, Name string } }
		}
	}
}

// writeBill writes the bill of materials of a program: the modules in it, with their
// versions, hashes and licences. It returns an error if a licence is not known to be fine.
func (r *release) writeBill(ctx context.Context, binary, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := r.run(exec.CommandContext(ctx, r.sbom, "bin", "-json", "-licenses", "-std", "-noserial", "-notimestamp",
		"-version", r.version, "-output", path, binary)); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return checkLicences(text)
}

// checkLicences returns an error that names the components of a bill whose licences are not
// among those that are allowed.
func checkLicences(text []byte) error {
	var b bill
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	if len(b.Components) == 0 {
		return fmt.Errorf("the bill of materials is empty")
	}
	var wrong []string
	for _, c := range b.Components {
		if c.Name == "std" {
			continue // Go's own, which the detection does not read
		}
		var found []string
		for _, l := range c.Evidence.Licenses {
			found = append(found, l.License.ID+l.License.Name)
		}
		if len(found) == 0 || slices.ContainsFunc(found, func(id string) bool { return !slices.Contains(licences, id) }) {
			wrong = append(wrong, fmt.Sprintf("%s (%s)", c.Name, strings.Join(found, ", ")))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("licences to be checked: %s", strings.Join(wrong, "; "))
	}
	return nil
}
