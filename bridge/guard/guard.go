// Package guard decides who may call the bridge, which headers it forwards, and where
// it may connect. It imports only rpcerror.
package guard
