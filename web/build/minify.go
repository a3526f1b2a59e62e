package main

import (
	"fmt"
	"path"
	"regexp"

	"github.com/tdewolff/minify/v2"
	"github.com/tdewolff/minify/v2/css"
	"github.com/tdewolff/minify/v2/html"
	"github.com/tdewolff/minify/v2/js"
	"github.com/tdewolff/minify/v2/svg"
)

// mediaTypes are the types of files that are minified, by extension.
var mediaTypes = map[string]string{
	".css":  "text/css",
	".html": "text/html",
	".js":   "text/javascript",
	".svg":  "image/svg+xml",
}

var minifier = newMinifier()

func newMinifier() *minify.M {
	m := minify.New()
	m.AddFunc("text/css", css.Minify)
	m.Add("text/html", &html.Minifier{KeepDocumentTags: true, KeepEndTags: true, KeepQuotes: true})
	m.AddFunc("text/javascript", js.Minify)
	m.AddFunc("image/svg+xml", svg.Minify)
	return m
}

// minifyAsset returns body minified, if its type is supported.
func minifyAsset(name string, body []byte) ([]byte, error) {
	mediaType, ok := mediaTypes[path.Ext(name)]
	if !ok {
		return body, nil
	}
	if mediaType == "text/javascript" {
		if found := misread.Find(body); found != nil {
			return nil, fmt.Errorf("the minifier would change the meaning of %q: use a variable", found)
		}
	}
	return minifier.Bytes(mediaType, body)
}

// misread matches code like (a ?? b) | c. The minifier, as of v2.24.25, removes these
// parentheses, which makes it a ?? (b | c).
var misread = regexp.MustCompile(`\([^()]*\?\?[^()]*(?:\([^()]*\)[^()]*)*\)\s*\|[^|]`)
