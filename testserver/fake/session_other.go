//go:build !unix

package fake

import "os/exec"

// newSession does nothing: Windows has neither sessions nor, in creack/pty, terminals.
func newSession(*exec.Cmd) {}

// killSession kills a process, but not those that it started.
func killSession(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
