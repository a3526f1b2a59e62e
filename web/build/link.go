package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// reference matches a quoted reference to a file that stands beside the one it
// is in: "/app.css" in a page, "./status.js" in a module.
var reference = regexp.MustCompile(`(["'])(\.?/)([\w.-]+)(["'])`)

// versionLength must be what package web uses.
const versionLength = 16

// linker minifies assets and makes them refer to each other by content.
type linker struct {
	sources map[string][]byte
	done    map[string][]byte
	open    map[string]bool // being linked: met again, it is a cycle
}

func newLinker(sources map[string][]byte) *linker {
	return &linker{sources: sources, done: map[string][]byte{}, open: map[string]bool{}}
}

// link returns every source, minified and with versioned references.
func (l *linker) link() (map[string][]byte, error) {
	for name := range l.sources {
		if _, err := l.asset(name); err != nil {
			return nil, err
		}
	}
	return l.done, nil
}

// asset links one source after the ones it refers to, since its own version
// depends on theirs.
func (l *linker) asset(name string) ([]byte, error) {
	if body, ok := l.done[name]; ok {
		return body, nil
	}
	if l.open[name] {
		return nil, fmt.Errorf("%s refers to itself, in a circle", name)
	}
	l.open[name] = true
	defer delete(l.open, name)

	body := l.sources[name]
	if refers(name) {
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

// refers reports whether a file's references are rewritten. The client is left
// alone: it is the npm package's own, and finds its module by itself.
func refers(name string) bool {
	switch path.Ext(name) {
	case ".html", ".css", ".js":
		return !strings.HasPrefix(name, "akash-provider-web.")
	}
	return false
}

func version(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])[:versionLength]
}
