package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// version is the version of the release, the same as in npm/package.json.
const version = "0.1.0"

// commit is set by builds of releases: -ldflags "-X main.commit=…". It is the same for
// everyone who builds a commit, so these builds stay reproducible.
var commit string

// printVersion prints one line, such as
// "akash-provider-bridge 0.1.0 (commit 0123abc, go1.26.8, linux/amd64)".
func printVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s %s (commit %s, %s, %s/%s)\n", program, version, knownCommit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// knownCommit returns the commit that the program was built from, or "unknown": most
// builds leave it out, so that the same sources give the same bytes.
func knownCommit() string {
	if commit != "" {
		return commit
	}
	found, modified := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				found = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = ", modified"
			}
		}
	}
	return found + modified
}
