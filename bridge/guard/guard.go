// Package guard decides who may call the bridge, what of a call travels on to a
// provider, and where the bridge may connect. It knows nothing of anything else.
package guard
