package fake

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// boxes are the containers of a lease: folders in which programs of this machine run. They
// are not confined to them: see Options.Shell.
type boxes struct {
	running atomic.Int64 // processes

	mu     sync.Mutex
	folder string // "" until it is created
}

// box is the folder of one container.
type box struct {
	folder string
	path   string // the $PATH of its programs
}

// hostPath is where the programs of this machine are.
const hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// of returns the box of a pod. A bare one has a shell and no other programs.
func (b *boxes) of(service string, pod int, bare bool) (box, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.folder == "" {
		folder, err := os.MkdirTemp("", "akash-testserver-shell-")
		if err != nil {
			return box{}, err
		}
		b.folder = folder
	}
	one := box{folder: filepath.Join(b.folder, fmt.Sprintf("%s-%d", service, pod)), path: hostPath}
	if err := os.MkdirAll(one.folder, 0o700); err != nil {
		return box{}, err
	}
	if !bare {
		return one, nil
	}
	one.path = filepath.Join(b.folder, "bare")
	if err := os.MkdirAll(one.path, 0o700); err != nil {
		return box{}, err
	}
	if err := os.Symlink("/bin/sh", filepath.Join(one.path, "sh")); err != nil && !os.IsExist(err) {
		return box{}, err
	}
	return one, nil
}

// command returns a command for a program and its arguments.
func (b box) command(parts []string) (*exec.Cmd, error) {
	program, err := b.find(parts[0])
	if err != nil {
		return nil, err
	}
	return &exec.Cmd{
		Path: program,
		Args: parts,
		Dir:  b.folder,
		Env:  []string{"PATH=" + b.path, "HOME=" + b.folder, "TERM=xterm", "LANG=C.UTF-8"},
	}, nil
}

// find looks a program up in the box's own path.
func (b box) find(name string) (string, error) {
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, folder := range filepath.SplitList(b.path) {
			candidates = append(candidates, filepath.Join(folder, name))
		}
	}
	for _, candidate := range candidates {
		if info, err := os.Stat(candidate); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", exec.ErrNotFound
}

// remove removes the folders. No process may be running.
func (b *boxes) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.folder != "" {
		_ = os.RemoveAll(b.folder)
	}
}
