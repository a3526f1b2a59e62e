// Command build builds the files that package web embeds. It takes the dashboard's page
// from web/src, its scripts and styles from web/bundle, where web/bundle.mjs has put them,
// and the client from npm/dist. It minifies them, adds content hashes to references, and
// compresses the results.
//
//	go run ./web/build -src web/src -bundle web/bundle -client npm/dist -out web/dist -cache .tools/compressed
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	var o options
	flag.StringVar(&o.src, "src", "web/src", "directory of the dashboard's page and images")
	flag.StringVar(&o.bundle, "bundle", "web/bundle", "directory of the dashboard's bundled scripts and styles")
	flag.StringVar(&o.client, "client", "npm/dist", "directory of the built npm package")
	flag.StringVar(&o.out, "out", "web/dist", "directory to write to; other files in it are removed")
	flag.StringVar(&o.cache, "cache", ".tools/compressed", "directory that caches compressed files for the next run")
	flag.Parse()

	if err := build(o); err != nil {
		fmt.Fprintln(os.Stderr, "web/build:", err)
		os.Exit(1)
	}
}
