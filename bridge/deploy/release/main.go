// Command release builds the bridge for every platform and packs the archives of a release:
//
//	go run ./bridge/deploy/release -version 0.1.0 -commit 0123abc -epoch 1700000000 -out bin/release
//
// The same sources, the same Go and the same flags give the same bytes. The files that the
// bridge embeds must have been built; `make release` does that.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// program is the name of the bridge's command.
const program = "akash-provider-bridge"

// platforms are what releases are built for, as GOOS/GOARCH.
var platforms = []string{"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64"}

// release says what to build.
type release struct {
	version string
	commit  string
	epoch   time.Time // of all files in archives
	root    string    // of the repository
	out     string
	sbom    string // the program cyclonedx-gomod; empty for no bills of materials
	deb     bool   // whether to build Debian packages
}

func main() {
	r := release{root: "."}
	var epoch int64
	var only string
	flag.StringVar(&r.version, "version", "", "version of the release")
	flag.StringVar(&r.commit, "commit", "", "commit that it is built from")
	flag.Int64Var(&epoch, "epoch", 0, "time of all files, in seconds since 1970 (SOURCE_DATE_EPOCH)")
	flag.StringVar(&r.out, "out", "bin/release", "directory of the archives")
	flag.StringVar(&r.sbom, "sbom", "", "the program cyclonedx-gomod, for bills of materials")
	flag.BoolVar(&r.deb, "deb", false, "build Debian packages, too, by dpkg-deb")
	flag.StringVar(&only, "platforms", strings.Join(platforms, ","), "GOOS/GOARCH, separated by commas")
	flag.Parse()
	r.epoch = time.Unix(epoch, 0).UTC()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.build(ctx, strings.Split(only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// build builds everything into r.out, which it empties first.
func (r *release) build(ctx context.Context, platforms []string) error {
	if r.version == "" || r.commit == "" {
		return fmt.Errorf("want -version and -commit")
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, platform := range platforms {
		if err := r.buildPlatform(ctx, platform); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
	}
	return r.writeSums()
}

func (r *release) buildPlatform(ctx context.Context, platform string) error {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return fmt.Errorf("want GOOS/GOARCH")
	}
	work, err := os.MkdirTemp("", "akash-provider-bridge-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	binary := filepath.Join(work, program)
	if goos == "windows" {
		binary += ".exe"
	}
	// The flags are those of the Makefile.
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X main.commit="+r.commit, "-o", binary, "./bridge")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOOS="+goos, "GOARCH="+goarch)
	if err := r.run(build); err != nil {
		return err
	}
	files, err := r.files(goos, binary)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s_%s_%s_%s", program, r.version, goos, goarch)
	if goos == "windows" {
		err = writeZip(filepath.Join(r.out, name+".zip"), name, files, r.epoch)
	} else {
		err = writeTar(filepath.Join(r.out, name+".tar.gz"), name, files, r.epoch)
	}
	if err != nil {
		return err
	}
	if r.sbom != "" {
		if err := r.writeBill(ctx, binary, filepath.Join(r.out, name+".cdx.json")); err != nil {
			return err
		}
	}
	if r.deb && goos == "linux" {
		return r.writeDebian(ctx, goarch, binary)
	}
	return nil
}

// files returns the files of an archive.
func (r *release) files(goos, binary string) ([]file, error) {
	names := map[string]string{
		filepath.Base(binary): binary,
		"LICENSE":             filepath.Join(r.root, "LICENSE"),
		"README.md":           filepath.Join(r.root, "bridge/README.md"),
		"OPERATING.md":        filepath.Join(r.root, "bridge/OPERATING.md"),
		"config.example.yaml": filepath.Join(r.root, "bridge/deploy/config.example.yaml"),
	}
	if goos == "linux" {
		names[program+".service"] = filepath.Join(r.root, "bridge/deploy/systemd", program+".service")
		names[program+".sysusers"] = filepath.Join(r.root, "bridge/deploy/systemd", program+".sysusers")
	}
	var files []file
	for name, path := range names {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: name, content: content, executable: path == binary})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// writeSums writes the hashes of all files, in the form of sha256sum.
func (r *release) writeSums() error {
	entries, err := os.ReadDir(r.out) // sorted
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(r.out, entry.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), entry.Name())
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// run runs a command in the repository.
func (r *release) run(command *exec.Cmd) error {
	command.Dir = r.root
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(command.Path), err, out)
	}
	return nil
}
