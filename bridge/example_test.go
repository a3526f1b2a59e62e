package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// leases is the example in CLIENTS.md.
func leases(ctx context.Context, bridge, provider string, print func(...any)) error {
	conn, err := grpc.NewClient(bridge, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx = metadata.AppendToOutgoingContext(ctx, "akash-provider", provider)
	status, err := providerv1.NewProviderRPCClient(conn).GetStatus(ctx, &emptypb.Empty{})
	if err != nil {
		return err
	}
	print("leases:", status.GetCluster().GetLeases().GetActive())
	return nil
}

func TestTheExampleForGo(t *testing.T) {
	w := startWorld(t, fake.Options{})
	var out strings.Builder
	_, bridge, _ := strings.Cut(w.URL, "://")
	require.NoError(t, leases(t.Context(), bridge, w.fake.Provider, func(args ...any) { fmt.Fprintln(&out, args...) }))
	assert.Regexp(t, `^leases: [1-9]\d*\n$`, out.String())

	// The documentation has the same lines, with values in place of variables.
	source, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	page, err := os.ReadFile("CLIENTS.md")
	require.NoError(t, err)
	_, example, _ := strings.Cut(string(page), "```go\n")
	example, _, _ = strings.Cut(example, "```")
	example = strings.NewReplacer(`"127.0.0.1:8080"`, "bridge", `"akash1…"`, "provider", "fmt.Println", "print").Replace(example)
	example = "\t" + strings.ReplaceAll(strings.TrimSpace(example), "\n", "\n\t")
	assert.Contains(t, string(source), example)
}
