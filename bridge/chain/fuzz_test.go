package chain_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/chain/proof"
	"akash-provider-web/bridge/rpcerror"
	certv1 "akash-provider-web/proto/akash/cert/v1"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	marketv1beta5 "akash-provider-web/proto/akash/market/v1beta5"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	queryv1beta1 "akash-provider-web/proto/cosmos/base/query/v1beta1"
	basev1beta1 "akash-provider-web/proto/cosmos/base/v1beta1"
)

// nodeSecret is a key in a node's URL, which no error may repeat.
const nodeSecret = "k3yThatIsSecret"

// fuzzedNode answers every query with the same bytes.
type fuzzedNode struct {
	status int
	body   []byte
}

func (n fuzzedNode) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: n.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(n.body)), Request: r}, nil
}

// Whatever a node answers, a query ends with a record of the provider that was asked for
// or an error that can be shown and has no secret.
func FuzzAnswers(f *testing.F) {
	value := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		require.NoError(f, err)
		return []byte(`{"jsonrpc":"2.0","id":1,"result":{"response":{"code":0,"value":"` + base64.StdEncoding.EncodeToString(b) + `"}}}`)
	}
	seeds := [][]byte{
		value(&providerv1beta4.QueryProviderResponse{Provider: &providerv1beta4.Provider{Owner: address, HostUri: hostURI}}),
		value(&providerv1beta4.QueryProviderResponse{Provider: &providerv1beta4.Provider{Owner: "akash1other", HostUri: hostURI}}),
		value(&certv1.QueryCertificatesResponse{Certificates: []*certv1.CertificateResponse{{Serial: "7", Certificate: &certv1.Certificate{State: certv1.State_valid, Cert: []byte("PEM")}}}}),
		value(&marketv1beta5.QueryLeasesResponse{Leases: []*marketv1beta5.QueryLeaseResponse{{Lease: &marketv1.Lease{
			Id: &marketv1.LeaseID{Owner: address, Dseq: 7, Gseq: 1, Oseq: 1, Provider: address}, State: marketv1.Lease_active,
			Price: &basev1beta1.DecCoin{Denom: "uakt", Amount: "1"},
		}}}, Pagination: &queryv1beta1.PageResponse{NextKey: []byte("k")}}),
		[]byte(`{"leases":[{"lease":{"id":{"owner":"` + address + `","dseq":"7","gseq":1,"oseq":1,"provider":"` + address + `"},"state":"active","price":{"denom":"uakt","amount":"1.50"}}}]}`),
		[]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"` + nodeSecret + `\u0000\u001b[31m"}}`),
		[]byte(`{"result":{"response":{"code":22,"log":"/` + nodeSecret + `"}}}`),
		[]byte(`{"result":{"sync_info":{"catching_up":true}}}`),
		[]byte(`{"syncing":false}`),
		[]byte(`{"provider":{"owner":"` + address + `","host_uri":"` + hostURI + `"}}`),
		[]byte(`{"certificates":[{"serial":"7","certificate":{"state":"revoked","cert":"UEVN"}}],"pagination":{"next_key":"AA=="}}`),
		[]byte(`{"code":5,"message":"` + nodeSecret + `"}`),
		[]byte(`[[[[[[[[`), []byte(`{"result":`), []byte("<html>"), nil,
	}
	for _, name := range []string{"chain.provider.json", "chain.certificates.json"} {
		seed, err := os.ReadFile("testdata/" + name)
		require.NoError(f, err)
		seeds = append(seeds, seed)
	}
	for i, seed := range seeds {
		f.Add(uint16([]int{200, 200, 404, 500}[i%4]), seed)
		f.Add(uint16(200), seed)
	}
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		if status < 200 || status > 999 || status/100 == 3 {
			return // http.Client would want a Location
		}
		for _, o := range []chain.Options{
			{Nodes: []string{"https://node.example/" + nodeSecret}},
			{RESTNodes: []string{"https://node.example/?key=" + nodeSecret}},
		} {
			o.Transport = fuzzedNode{int(status), body}
			c, err := chain.New(o)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			record, err := c.Provider(ctx, address)
			if err == nil {
				require.Equal(t, address, record.Owner)
				require.LessOrEqual(t, len(record.HostURI), len(body)*3)
				require.True(t, json.Valid(body))
			}
			requireShowable(t, err)
			certificate, err := c.Certificate(ctx, address, "7")
			if err == nil && certificate.State != chain.Absent {
				require.True(t, json.Valid(body))
			}
			requireShowable(t, err)
			leases, err := c.Leases(ctx, address, "active")
			if err == nil {
				require.True(t, json.Valid(body))
				require.LessOrEqual(t, len(leases.Leases), 200)
				for _, l := range leases.Leases {
					require.Equal(t, address, l.ID.Owner)
					require.Equal(t, proof.LeaseActive, l.State)
					require.Regexp(t, `^(\d+(\.\d+)?)?$`, l.Amount)
				}
			}
			requireShowable(t, err)
			requireShowable(t, c.Ready(ctx))
			require.NoError(t, ctx.Err())
			cancel()
			c.Close()
		}
	})
}

// requireShowable requires that an error, if there is one, is an *rpcerror.Error whose text
// can be shown.
func requireShowable(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var known *rpcerror.Error
	require.ErrorAs(t, err, &known)
	require.NotContains(t, known.Message, nodeSecret)
	require.Less(t, len(known.Message), 2000)
	for _, r := range known.Message {
		require.False(t, unicode.IsControl(r), "%q", known.Message)
	}
}
