package gateway

import (
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
)

// authorize decides whether the call's token may be sent to endpoint. It returns the
// value of the authorization header, or "" if there is none to send. A call with a
// token that may not be sent is refused here, with advice, because the provider would
// only answer "unauthorized".
func (c *call) authorize(endpoint *provider.Endpoint) (string, error) {
	switch {
	case c.authorization == "":
		return "", nil
	case endpoint.Verified == "none":
		return "", rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonNotAllowed,
			"a token only goes to a provider whose certificate was verified: call without akash-tls: insecure")
	case endpoint.Method == provider.GRPC && !c.method.Streaming && !endpoint.AuthorizationSafe():
		return "", rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonNotAllowed,
			"a token on %s would crash providers before v0.16.0, and this one %s: authenticate with a client certificate instead",
			c.method.Name, describeVersion(endpoint.Version))
	}
	return c.authorization, nil
}

func describeVersion(version string) string {
	if version == "" {
		return "did not report its version"
	}
	return "is " + version
}
