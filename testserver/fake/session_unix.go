//go:build unix

package fake

import (
	"os/exec"
	"syscall"
)

// newSession has a process run in a session of its own, whose process group killSession
// ends.
func newSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}

// killSession kills a process and those that it started.
func killSession(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
