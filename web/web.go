// Package web serves the dashboard, and the client's files for script tags. web/build
// builds the files into dist, from where they are embedded.
//
// Files have fixed names. References between them contain the hash of the content, as in
// app.js?v=1f2e3d4c5b6a7980. A request with the current hash is answered as immutable, so
// that browsers do not repeat it. A request without a hash, or with another one, is
// revalidated with the ETag. A page from an older release of the bridge therefore still
// finds its files on a newer one.
//
// The parts of the dashboard that are loaded later, in chunks/, have the hash in their
// name instead. They share modules with what is loaded already, so that those of another
// release must not be found: the page then says that it has to be reloaded.
package web

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the embedded files. If they have not been built, it answers with
// status 503 and says so.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // cannot happen: the name is a constant
	}
	s, err := newSite(files)
	if err != nil {
		panic(err) // cannot happen: the files are embedded
	}
	return s
}
