package proto_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	heading = regexp.MustCompile(`(?m)^#{2,3} (\d+(?:\.\d+)?)\.? `)
	// citation matches what follows the page's name: "section 2.7", "sections 2.2 and 2.3".
	citation = regexp.MustCompile(`akash-provider-api\.md,? sections? (\d+(?:\.\d+)*(?:(?:,| and|, and) \d+(?:\.\d+)*)*)`)
	number   = regexp.MustCompile(`\d+(?:\.\d+)*`)
	// leader is a line's end and what begins the next line of a comment.
	leader = regexp.MustCompile(`\s*\n\s*(?://|\*|#)?\s*`)
)

// Comments cite the page on providers by section, so that each of those sections is there.
func TestCitedSectionsExist(t *testing.T) {
	page, err := os.ReadFile("akash-provider-api.md")
	require.NoError(t, err)
	sections := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(string(page), -1) {
		assert.False(t, sections[match[1]], "section %s is there twice", match[1])
		sections[match[1]] = true
	}

	citations := 0
	for path, text := range sources(t, "..") {
		for _, section := range citedSections(text) {
			citations++
			assert.True(t, sections[section], "%s cites section %s of proto/akash-provider-api.md, which is not there", path, section)
		}
	}
	assert.Greater(t, citations, 50, "citations found in the repository")
}

func TestCitationsAreRead(t *testing.T) {
	assert.Equal(t, []string{"2.7"}, citedSections("// as in (proto/akash-provider-api.md, section\n\t// 2.7), twice"))
	assert.Equal(t, []string{"2.2", "2.3"}, citedSections(" * proto/akash-provider-api.md,\n * sections 2.2 and 2.3"))
	assert.Equal(t, []string{"1.2", "2.7"}, citedSections("# (proto/akash-provider-api.md, section 1.2 and 2.7)."))
	assert.Empty(t, citedSections("// RFC 9113, section 6.8"))
}

// citedSections returns the numbers of the sections that a text cites.
func citedSections(text string) []string {
	var sections []string
	for _, match := range citation.FindAllStringSubmatch(leader.ReplaceAllString(text, " "), -1) {
		sections = append(sections, number.FindAllString(match[1], -1)...)
	}
	return sections
}

// sources returns the text of the repository's own sources by path.
func sources(t *testing.T, root string) map[string]string {
	texts := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case ".git", ".tools", "node_modules", "bin", "dist", "gen":
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(path) {
		case ".go", ".ts", ".tsx", ".js", ".mjs", ".mts", ".proto", ".md", ".css", ".html":
		default:
			return nil
		}
		if strings.HasSuffix(path, "citations_test.go") {
			return nil
		}
		b, err := os.ReadFile(path)
		texts[path] = string(b)
		return err
	}))
	return texts
}
