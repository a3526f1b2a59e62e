package main

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// options are the directories that files are read from and written to.
type options struct{ src, bundle, client, out, cache string }

// clientFiles are the npm package's files for script tags, and the names under which
// they are served.
var clientFiles = map[string]string{
	"akash-provider-web.js":   "akash-provider-web.min.js",
	"akash-provider-web.wasm": "akash-provider-web.wasm",
}

// build builds all files. It reuses compressed files from the cache, and does not
// touch output files that have not changed.
func build(o options) error {
	sources, err := read(o)
	if err != nil {
		return err
	}
	assets, err := newLinker(sources).link()
	if err != nil {
		return err
	}
	if assets["sri.json"], err = hashes(assets); err != nil {
		return err
	}
	compressor := newCompressor(o.cache)
	outputs := map[string][]byte{}
	for name, body := range assets {
		outputs[name] = body
		encoded, err := compressor.compress(body)
		if err != nil {
			return fmt.Errorf("compress %s: %w", name, err)
		}
		for suffix, b := range encoded {
			outputs[name+suffix] = b
		}
	}
	if err := write(o.out, outputs); err != nil {
		return err
	}
	return compressor.prune()
}

// hashes returns the integrity hashes (Subresource Integrity, section 3.1) of the
// client's files as JSON, for pages that load them from a bridge.
func hashes(assets map[string][]byte) ([]byte, error) {
	sums := map[string]string{}
	for _, name := range clientFiles {
		sum := sha512.Sum384(assets[name])
		sums[name] = "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
	}
	return json.MarshalIndent(sums, "", "  ")
}

// read returns the sources by the names under which they are served: the page and its
// images, and what the bundler has made of the rest.
func read(o options) (map[string][]byte, error) {
	sources := map[string][]byte{}
	entries, err := os.ReadDir(o.src)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if sources[e.Name()], err = os.ReadFile(filepath.Join(o.src, e.Name())); err != nil {
			return nil, err
		}
	}
	bundle := os.DirFS(o.bundle)
	err = fs.WalkDir(bundle, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if _, taken := sources[name]; taken {
			return fmt.Errorf("%s is in both %s and %s", name, o.src, o.bundle)
		}
		sources[name], err = fs.ReadFile(bundle, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the dashboard is not bundled: %w", err)
	}
	for from, to := range clientFiles {
		body, err := os.ReadFile(filepath.Join(o.client, from))
		if err != nil {
			return nil, fmt.Errorf("the npm package is not built: %w", err)
		}
		sources[to] = body
	}
	return sources, nil
}

// write makes dir contain exactly files, except for names that begin with a dot.
func write(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := removeOthers(dir, files); err != nil {
		return err
	}
	for name, body := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		// The go command rebuilds packages that embed a file whose modification time
		// has changed.
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, body) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, body, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeOthers removes what is not among files from dir. Empty directories remain, which
// are not embedded.
func removeOthers(dir string, files map[string][]byte) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if _, ok := files[filepath.ToSlash(name)]; ok || strings.HasPrefix(e.Name(), ".") {
			return nil
		}
		return os.Remove(path)
	})
}
