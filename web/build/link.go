package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// reference matches a quoted reference to a file in the same directory: "/app.css" in
// a page, "./status.js" in a module. References to files in directories are left alone:
// the bundler has put a hash into the names of those, which may refer to each other in
// cycles.
var reference = regexp.MustCompile(`(["'])(\.?/)([\w.-]+)(["'])`)

// versionLength must be that of package web.
const versionLength = 16

// linker minifies assets and adds content hashes to the references between them.
type linker struct {
	sources map[string][]byte
	done    map[string][]byte
	pending map[string]bool // being linked; a reference to one of these is a cycle
}

func newLinker(sources map[string][]byte) *linker {
	return &linker{sources: sources, done: map[string][]byte{}, pending: map[string]bool{}}
}

// link returns all sources, minified and with versioned references.
func (l *linker) link() (map[string][]byte, error) {
	for name := range l.sources {
		if _, err := l.asset(name); err != nil {
			return nil, err
		}
	}
	return l.done, nil
}

// asset links a source after those that it refers to, since its version depends on
// theirs.
func (l *linker) asset(name string) ([]byte, error) {
	if body, ok := l.done[name]; ok {
		return body, nil
	}
	if l.pending[name] {
		return nil, fmt.Errorf("%s refers to itself, in a cycle", name)
	}
	l.pending[name] = true
	defer delete(l.pending, name)

	body := l.sources[name]
	if hasReferences(name) {
		var failed error
		body = reference.ReplaceAllFunc(body, func(match []byte) []byte {
			part := reference.FindSubmatch(match)
			target := string(part[3])
			if _, ok := l.sources[target]; !ok {
				return match
			}
			linked, err := l.asset(target)
			if err != nil {
				failed = err
				return match
			}
			return fmt.Appendf(nil, "%s%s%s?v=%s%s", part[1], part[2], target, version(linked), part[4])
		})
		if failed != nil {
			return nil, fmt.Errorf("%s: %w", name, failed)
		}
	}
	body, err := minifyAsset(name, body)
	if err != nil {
		return nil, fmt.Errorf("minify %s: %w", name, err)
	}
	l.done[name] = body
	return body, nil
}

// hasReferences reports whether a file's references are rewritten. Those of the client
// are not: it comes from the npm package and finds its module itself.
func hasReferences(name string) bool {
	switch path.Ext(name) {
	case ".html", ".css", ".js":
		return !strings.HasPrefix(name, "akash-provider-web.") && !strings.Contains(name, "/")
	}
	return false
}

func version(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])[:versionLength]
}
