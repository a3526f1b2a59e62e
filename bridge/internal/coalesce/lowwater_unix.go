//go:build linux || darwin

package coalesce

import "syscall"

// setLowWater sets a socket's low-water mark for input. If that fails, bursts cost a
// little more.
func setLowWater(fd uintptr, n int) {
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n)
}
