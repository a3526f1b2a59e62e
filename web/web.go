// Package web serves what a bridge shows to people and to pages: the dashboard,
// and the client as a script tag loads it. The files are built by web/build into
// dist and embedded.
//
// Each file stands under a fixed name. References between them carry the
// content's hash, as in app.js?v=1f2e3d4c5b6a7980: asked for with the hash of
// what is served, a file is immutable and never asked for again; asked for
// without it, or with another one, it is revalidated by its ETag. A page that an
// older bridge served therefore still finds its files on a newer one.
package web

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the embedded files. Before "make build" has made them it
// answers 503 and says so.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is a constant
	}
	s, err := newSite(files)
	if err != nil {
		panic(err) // embedded files can be read
	}
	return s
}
