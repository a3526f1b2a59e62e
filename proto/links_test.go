package proto_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	anyTitle = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInID  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Links between the repository's documents lead to files and headings that are there.
func TestLinksLeadSomewhere(t *testing.T) {
	links := 0
	for path, text := range sources(t, "..") {
		if filepath.Ext(path) != ".md" {
			continue
		}
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			u, err := url.Parse(match[1])
			if !assert.NoError(t, err, path) || u.Scheme != "" {
				continue
			}
			links++
			target := path
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(path), u.Path)
			}
			b, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
				err = nil
			}
			if assert.NoError(t, err, "%s links to %s", path, match[1]) && u.Fragment != "" {
				assert.Contains(t, headingIDs(string(b)), u.Fragment, "%s links to %s", path, match[1])
			}
		}
	}
	assert.Greater(t, links, 10, "links found in the repository")
}

// headingIDs returns the fragments by which GitHub knows a document's headings.
func headingIDs(markdown string) []string {
	var ids []string
	for _, match := range anyTitle.FindAllStringSubmatch(markdown, -1) {
		ids = append(ids, strings.ReplaceAll(notInID.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return ids
}
