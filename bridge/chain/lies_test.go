package chain_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/testserver/fake"
)

// served returns the certificate that a server presents, and its serial number.
func served(t *testing.T, addr string) (cert *x509.Certificate, serial string) {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	cert = conn.ConnectionState().PeerCertificates[0]
	return cert, cert.SerialNumber.String()
}

// One of three nodes tells each lie that the test server knows, and is asked first. It is
// not believed, and the others are.
func TestNoLieOfOneNodeIsBelieved(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds, most of them waiting for slow nodes")
	}
	srv, err := fake.Start(t.Context(), fake.Options{Seed: 1, ChainNodes: 3, Impostor: true})
	require.NoError(t, err)
	defer srv.Close()
	ready := srv.Ready()
	var nodes []string
	for _, n := range ready.ChainNodes {
		nodes = append(nodes, n.URL)
	}
	genuine, number := served(t, ready.REST)

	believed := 0 // by a bridge that asks one node
	for _, lie := range fake.ChainLies() {
		require.NoError(t, srv.SetChainLie(1, lie.Name))
		_, forged := served(t, ready.Impostor.REST)
		one, err := chain.New(chain.Options{Nodes: nodes[:1]})
		require.NoError(t, err)
		c, err := chain.New(chain.Options{Nodes: nodes})
		require.NoError(t, err)

		var asked sync.WaitGroup
		asked.Go(func() {
			r, err := c.Provider(t.Context(), ready.Provider)
			assert.NoError(t, err, lie.Name)
			assert.Equal(t, ready.HostURI, r.HostURI, lie.Name)
		})
		asked.Go(func() {
			found, err := c.Certificate(t.Context(), ready.Provider, number)
			assert.NoError(t, err, lie.Name)
			assert.Equal(t, chain.Valid, found.State, lie.Name)
			if block, _ := pem.Decode(found.PEM); assert.NotNil(t, block, lie.Name) {
				assert.Equal(t, genuine.Raw, block.Bytes, lie.Name)
			}
		})
		asked.Go(func() {
			found, err := c.Certificate(t.Context(), ready.Provider, forged)
			assert.NoError(t, err, lie.Name)
			assert.NotEqual(t, chain.Valid, found.State, lie.Name)
		})
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			r, err := one.Provider(ctx, ready.Provider)
			found, _ := one.Certificate(ctx, ready.Provider, forged)
			if err == nil && r.HostURI == ready.Impostor.HostURI || found.State == chain.Valid {
				believed++
			}
		})
		asked.Wait()
		c.Close()
		one.Close()
	}
	assert.Greater(t, believed, 10, "the lies are not any, or their node is not asked first")
	t.Logf("%d lies: %d believed with one node, 0 with a quorum", len(fake.ChainLies()), believed)
}
