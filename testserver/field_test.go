package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	// fieldFile is a file in field.md, and the tests of it that are named there.
	fieldFile = regexp.MustCompile("`([a-z0-9./_-]+_test\\.go|[a-z0-9./_-]+\\.test\\.ts)`: ([^`|;]*)")
	fieldName = regexp.MustCompile(`Test\w+|"[^"]+"`)
	fieldFunc = regexp.MustCompile(`(?m)^func (TestField[A-Z]\w*)\(`)
)

// The tests that field.md names exist, and it names each test of a fault that was seen
// in the field.
func TestSeenInTheField(t *testing.T) {
	page, err := os.ReadFile("field.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(page), "|---|---|\n")
	named := make(map[string][]string) // by file, its tests
	for row := range strings.Lines(table) {
		files := fieldFile.FindAllStringSubmatch(row, -1)
		assert.NotEmpty(t, files, "no test: %s", row)
		for _, f := range files {
			file, list := f[1], f[2]
			source, err := os.ReadFile(filepath.Join("..", file))
			if !assert.NoError(t, err) {
				continue
			}
			names := fieldName.FindAllString(list, -1)
			named[file] = append(named[file], names...)
			assert.NotEmpty(t, names, "no test of %s: %s", file, row)
			for _, name := range names {
				want := "func " + name + "(t *testing.T)"
				if strings.HasSuffix(file, ".ts") {
					want = name
				}
				assert.True(t, strings.Contains(string(source), want), "%s has no test %s", file, name)
			}
		}
	}

	root := os.DirFS("..")
	require.NoError(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case d.IsDir() && (base == "node_modules" || base == "dist" || len(base) > 1 && base[0] == '.'):
			return fs.SkipDir
		case strings.HasPrefix(base, "field") && strings.HasSuffix(base, ".test.ts"):
			assert.Contains(t, named, name, "field.md does not name this file")
		case strings.HasSuffix(base, "_test.go"):
			source, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			for _, f := range fieldFunc.FindAllStringSubmatch(string(source), -1) {
				assert.True(t, slices.Contains(named[name], f[1]), "field.md does not name %s of %s", f[1], name)
			}
		}
		return nil
	}))
}
