package chain_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"regexp"
	"testing"

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

// slowLies are told without end, or at great length. Other tests have nodes that do not
// answer in time, and many of these are slow under the race detector.
var slowLies = regexp.MustCompile(`^(answer|headers)-|-(deep|many|huge|endless|oversized)`)

// One of three nodes tells the lies that the test server knows, and is asked first. None is
// believed.
func TestNoLieOfOneNodeIsBelieved(t *testing.T) {
	srv, err := fake.Start(t.Context(), fake.Options{Seed: 1, ChainNodes: 3, Impostor: true})
	require.NoError(t, err)
	defer srv.Close()
	ready := srv.Ready()
	var nodes []string
	for _, n := range ready.ChainNodes {
		nodes = append(nodes, n.URL)
	}
	genuine, number := served(t, ready.REST)

	told, believed := 0, 0
	for _, lie := range fake.ChainLies() {
		if slowLies.MatchString(string(lie.Name)) {
			continue
		}
		told++
		require.NoError(t, srv.SetChainLie(1, lie.Name))
		_, forged := served(t, ready.Impostor.REST)

		// With a quorum the answers are right.
		c, err := chain.New(chain.Options{Nodes: nodes})
		require.NoError(t, err)
		r, err := c.Provider(t.Context(), ready.Provider)
		assert.NoError(t, err, lie.Name)
		assert.Equal(t, ready.HostURI, r.HostURI, lie.Name)
		found, err := c.Certificate(t.Context(), ready.Provider, number)
		assert.NoError(t, err, lie.Name)
		assert.Equal(t, chain.Valid, found.State, lie.Name)
		if block, _ := pem.Decode(found.PEM); assert.NotNil(t, block, lie.Name) {
			assert.Equal(t, genuine.Raw, block.Bytes, lie.Name)
		}
		found, err = c.Certificate(t.Context(), ready.Provider, forged)
		assert.NoError(t, err, lie.Name)
		assert.NotEqual(t, chain.Valid, found.State, lie.Name)
		c.Close()

		// With this node alone most are not.
		c, err = chain.New(chain.Options{Nodes: nodes[:1]})
		require.NoError(t, err)
		r, _ = c.Provider(t.Context(), ready.Provider)
		found, _ = c.Certificate(t.Context(), ready.Provider, forged)
		if r.HostURI == ready.Impostor.HostURI || found.State == chain.Valid {
			believed++
		}
		c.Close()
	}
	assert.Greater(t, told, 100)
	assert.Greater(t, believed, told/2, "these are no lies about records, or their node is not asked first")
	t.Logf("of %d lies one node alone is believed with %d, and beside two others with none", told, believed)
}
