//go:build !linux && !darwin

package coalesce

func setLowWater(uintptr, int) {}
