//go:build js

package main

import (
	"akash-provider-web/wasm/browser"
	"akash-provider-web/wasm/client"
)

// readCall reads the options of a call: the text is argument 1, and getToken, if there
// is one, argument 2.
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
