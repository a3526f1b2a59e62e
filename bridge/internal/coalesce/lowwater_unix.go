//go:build linux || darwin

package coalesce

import "syscall"

// setLowWater sets a socket's low-water mark for input. It fails where a system
// does not have it, and then each piece costs a little more.
func setLowWater(fd uintptr, n int) {
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n)
}
