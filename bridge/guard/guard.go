// Package guard says who may call the bridge and where the bridge may connect.
// It knows nothing of anything else.
package guard
