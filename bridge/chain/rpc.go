package chain

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chain/proof"
	certv1 "akash-provider-web/proto/akash/cert/v1"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	marketv1beta5 "akash-provider-web/proto/akash/market/v1beta5"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	queryv1beta1 "akash-provider-web/proto/cosmos/base/query/v1beta1"
)

// rpcAPI queries a node by the CometBFT RPC, with gRPC queries in abci_query
// (proto/akash-provider-api.md, section 5.1).
type rpcAPI struct{}

// The paths of each query: the current one, then the one before version 1.0 of the
// chain, which uses the same messages (proto/akash-provider-api.md, section 5).
var (
	providerPaths = []string{
		"/akash.provider.v1beta4.Query/Provider",
		"/akash.provider.v1beta3.Query/Provider",
	}
	certificatePaths = []string{
		"/akash.cert.v1.Query/Certificates",
		"/akash.cert.v1beta3.Query/Certificates",
	}
	leasePaths = []string{
		"/akash.market.v1beta5.Query/Leases",
		"/akash.market.v1beta4.Query/Leases",
	}
)

func (r rpcAPI) provider(ctx context.Context, client *http.Client, n *node, height int64, address string) (answer[host], error) {
	var response providerv1beta4.QueryProviderResponse
	at, err := r.queryPaths(ctx, client, n, providerPaths, height, &providerv1beta4.QueryProviderRequest{Owner: address}, &response, errNoRecord)
	if refused := (*queryError)(nil); errors.As(err, &refused) && refused.code == codeKeyNotFound {
		return noHost(refused.height), nil
	} else if err != nil {
		return answer[host]{}, err
	}
	if owner := response.GetProvider().GetOwner(); owner != address {
		return answer[host]{}, n.describe(errOtherRecord)
	}
	return hostAt(response.Provider.HostUri, at), nil
}

// Errors of answers that cannot be used.
var (
	errNoRecord     = errors.New("the provider's record cannot be decoded")
	errOtherRecord  = errors.New("the record is of another provider")
	errNoList       = errors.New("the certificate list cannot be decoded")
	errTooManyPages = errors.New("the certificate list has too many pages")
)

func (r rpcAPI) certificate(ctx context.Context, client *http.Client, n *node, height int64, owner, serial string) (answer[Certificate], error) {
	// The filter has no state, so that revoked certificates are found.
	request := &certv1.QueryCertificatesRequest{
		Filter: &certv1.CertificateFilter{Owner: owner, Serial: serial},
	}
	for range maxPages {
		var response certv1.QueryCertificatesResponse
		at, err := r.queryPaths(ctx, client, n, certificatePaths, height, request, &response, errNoList)
		if refused := (*queryError)(nil); errors.As(err, &refused) && refused.code == codeKeyNotFound {
			return certificateAt(Certificate{}, refused.height), nil
		} else if err != nil {
			return answer[Certificate]{}, err
		}
		for _, found := range response.Certificates {
			if found.Serial == serial {
				return certificateAt(certificate(found.Certificate), at), nil
			}
		}
		next := response.GetPagination().GetNextKey()
		if len(next) == 0 {
			return certificateAt(Certificate{}, at), nil
		}
		request.Pagination = &queryv1beta1.PageRequest{Key: next}
	}
	return answer[Certificate]{}, n.describe(errTooManyPages)
}

func certificate(c *certv1.Certificate) Certificate {
	switch c.GetState() {
	case certv1.State_valid:
		return Certificate{State: Valid, PEM: c.Cert}
	case certv1.State_revoked:
		return Certificate{State: Revoked, PEM: c.Cert}
	}
	return Certificate{}
}

func (r rpcAPI) leases(ctx context.Context, client *http.Client, n *node, height int64, f leaseFilter) (answer[Leases], error) {
	return leasePages(n, f, height, func(height int64, key []byte) (p page[proof.Lease], err error) {
		request := &marketv1beta5.QueryLeasesRequest{
			Filters:    &marketv1.LeaseFilters{Owner: f.owner, State: f.state},
			Pagination: &queryv1beta1.PageRequest{Key: key, Limit: leasesPerPage, Reverse: true},
		}
		var response marketv1beta5.QueryLeasesResponse
		if p.at, err = r.queryPaths(ctx, client, n, leasePaths, height, request, &response, errNoLeases); err != nil {
			return p, err
		}
		for _, one := range response.Leases {
			l := one.GetLease()
			p.items = append(p.items, proof.Lease{
				ID: proof.LeaseID{
					Owner: l.GetId().GetOwner(), DSeq: l.GetId().GetDseq(), GSeq: l.GetId().GetGseq(), OSeq: l.GetId().GetOseq(),
					BSeq: l.GetId().GetBseq(), Provider: l.GetId().GetProvider(),
				},
				State: proof.LeaseState(l.GetState()),
				Denom: l.GetPrice().GetDenom(), Amount: decimal(l.GetPrice().GetAmount()),
				CreatedAt: l.GetCreatedAt(), ClosedOn: l.GetClosedOn(),
			})
		}
		p.next = response.GetPagination().GetNextKey()
		return p, nil
	})
}

func (r rpcAPI) status(ctx context.Context, client *http.Client, n *node) (nodeStatus, error) {
	var status struct {
		NodeInfo struct {
			Network string `json:"network"`
		} `json:"node_info"`
		SyncInfo *struct {
			Height     int64     `json:"latest_block_height,string"`
			Time       time.Time `json:"latest_block_time"`
			CatchingUp bool      `json:"catching_up"`
		} `json:"sync_info"`
	}
	if err := r.call(ctx, client, n, "status", struct{}{}, &status); err != nil {
		return nodeStatus{}, err
	}
	if status.SyncInfo == nil {
		return nodeStatus{}, n.describe(errors.New("the status has no sync_info"))
	}
	sync := status.SyncInfo
	return nodeStatus{chainID: status.NodeInfo.Network, height: sync.Height, time: sync.Time, syncing: sync.CatchingUp}, nil
}

// queryPaths asks over the paths until the node knows one, and decodes the answer into
// response; it returns the height of the state that this is about. "unknown request" may mean
// an unknown path or one of many other failures; trying the next path tells which.
func (r rpcAPI) queryPaths(ctx context.Context, client *http.Client, n *node, paths []string, height int64, request, response proto.Message, undecodable error) (at int64, err error) {
	message, err := proto.Marshal(request)
	if err != nil {
		return 0, err
	}
	value, err := tryPaths(n, paths, func(path string) (value []byte, err error) {
		value, at, err = r.query(ctx, client, n, path, height, message)
		return value, err
	}, func(err error) bool {
		var refused *queryError
		return errors.As(err, &refused) && refused.code == codeUnknownRequest
	})
	if err != nil {
		return at, err
	}
	if err := proto.Unmarshal(value, response); err != nil {
		return 0, n.describe(undecodable)
	}
	return at, nil
}

// request is a JSON-RPC 2.0 request.
type request struct {
	JSONRPC string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

// call sends a request and decodes its result. Errors name the node and contain no
// secrets.
func (r rpcAPI) call(ctx context.Context, client *http.Client, n *node, method string, params, result any) error {
	return n.describe(r.send(ctx, client, n, method, params, result))
}

func (rpcAPI) send(ctx context.Context, client *http.Client, n *node, method string, params, result any) error {
	body, err := json.Marshal(request{JSONRPC: "2.0", ID: 1, Method: method, Params: params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, answer, err := n.fetch(client, req)
	if err != nil {
		return err
	}
	var reply struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Data    any    `json:"data"`
		} `json:"error"`
	}
	err = json.Unmarshal(answer, &reply)
	switch {
	// Some nodes send JSON-RPC errors with HTTP status 500; overloaded ones send
	// other bodies.
	case err == nil && reply.Error != nil:
		return fmt.Errorf("RPC error %d %s", reply.Error.Code, printable(reply.Error.Message))
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("HTTP status %d", res.StatusCode)
	case err != nil || reply.Result == nil:
		return errors.New("the answer is not JSON-RPC")
	}
	if err := json.Unmarshal(reply.Result, result); err != nil {
		return errors.New("the result has an unexpected form")
	}
	return nil
}

// abciResponse has the fields of an abci_query result that are used here.
type abciResponse struct {
	Response struct {
		Code      uint32 `json:"code"`
		Codespace string `json:"codespace"`
		Log       string `json:"log"`
		Value     []byte `json:"value"` // base64 in JSON
		// Height is the block after which the answer is right; 0 in errors of some nodes.
		Height int64 `json:"height,string"`
	} `json:"response"`
}

// Codes of codespace "sdk" in an abci_query response
// (cosmos-sdk types/errors/errors.go).
const (
	codeOK             = 0
	codeUnknownRequest = 6 // unknown path, and gRPC codes without a code of their own
	codeKeyNotFound    = 22
)

// queryError is a node's error for a query.
type queryError struct {
	code   uint32
	log    string
	height int64 // 0 if unknown
}

func (e *queryError) Error() string {
	return fmt.Sprintf("query refused with code %d: %s", e.code, printable(e.log))
}

// query sends a gRPC query about the state at a height, or the latest if it is 0. It
// returns the response protobuf, and the height.
func (r rpcAPI) query(ctx context.Context, client *http.Client, n *node, path string, height int64, message []byte) ([]byte, int64, error) {
	var result abciResponse
	err := r.call(ctx, client, n, "abci_query", map[string]any{
		"path":   path,
		"data":   hex.EncodeToString(message),
		"height": strconv.FormatInt(height, 10),
		"prove":  false,
	}, &result)
	if err != nil {
		return nil, 0, err
	}
	if answer := result.Response; answer.Code != codeOK {
		err := &queryError{answer.Code, n.scrub(answer.Log), answer.Height}
		return nil, 0, fmt.Errorf("%s: %w", n.name, err)
	}
	return result.Response.Value, result.Response.Height, nil
}
