//go:build js

package main

import (
	"akash-provider-web/wasm/browser"
	"akash-provider-web/wasm/client"
)

// readCall returns the call described by the options in argument 1, and by getToken,
// argument 2, if it is given.
func readCall(args browser.Arguments) *client.Call {
	c := client.ReadCall(args.Text(1))
	if getToken, ok := args.Optional(2); ok {
		c.Credentials.Renewable = true
		c.Credentials.Token = func(scope *client.Scope, refused string) (string, error) {
			return getToken.Text(scope, refused)
		}
	}
	return c
}
