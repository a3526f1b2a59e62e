package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"akash-provider-web/bridge/gateway"
	"akash-provider-web/bridge/rest"
)

// The bridge must be able to answer every method over REST, because no provider has
// all of them over gRPC.
func TestEveryMethodCanBeAnsweredOverREST(t *testing.T) {
	assert.NotEmpty(t, gateway.Methods())
	for _, m := range gateway.Methods() {
		assert.True(t, rest.Serves(m.Path), m.Path)
	}
}
