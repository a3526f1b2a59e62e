package chain

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"akash-provider-web/bridge/chain/proof"
)

// restAPI queries a node by the REST API of the Cosmos SDK, its gRPC gateway
// (https://docs.cosmos.network/sdk/latest/api-reference).
type restAPI struct{}

// The paths of each query, as those of the RPC: the current one, then the one before
// version 1.0 of the chain.
var (
	providerRoutes = []string{
		"/akash/provider/v1beta4/providers",
		"/akash/provider/v1beta3/providers",
	}
	certificateRoutes = []string{
		"/akash/cert/v1/certificates/list",
		"/akash/cert/v1beta3/certificates/list",
	}
	leaseRoutes = []string{
		"/akash/market/v1beta5/leases/list",
		"/akash/market/v1beta4/leases/list",
	}
)

const (
	syncingRoute     = "/cosmos/base/tendermint/v1beta1/syncing"
	latestBlockRoute = "/cosmos/base/tendermint/v1beta1/blocks/latest"
)

// heightHeader has the height of the state that a request asks about, and that an answer
// describes (cosmos-sdk types/grpc/headers.go).
const heightHeader = "X-Cosmos-Block-Height"

// gRPC codes in the gateway's errors.
const (
	gatewayNotFound      = 5
	gatewayUnimplemented = 12
)

func (r restAPI) provider(ctx context.Context, client *http.Client, n *node, height int64, address string) (answer[host], error) {
	var record struct {
		Provider struct {
			Owner   string `json:"owner"`
			HostURI string `json:"host_uri"`
		} `json:"provider"`
	}
	at, err := r.get(ctx, client, n, providerRoutes, height, url.PathEscape(address), nil, &record)
	if refused := (*gatewayError)(nil); errors.As(err, &refused) && refused.code == gatewayNotFound {
		return noHost(refused.height), nil
	} else if err != nil {
		return answer[host]{}, err
	}
	if record.Provider.Owner != address {
		return answer[host]{}, n.describe(errOtherRecord)
	}
	return hostAt(record.Provider.HostURI, at), nil
}

// certificate asks for a valid certificate, which is what nearly every server has, and
// without one for a revoked one.
func (r restAPI) certificate(ctx context.Context, client *http.Client, n *node, height int64, owner, serial string) (answer[Certificate], error) {
	const valid = "valid"
	found, at, err := r.find(ctx, client, n, height, owner, serial, valid)
	if err == nil && found.State == Absent {
		found, at, err = r.find(ctx, client, n, height, owner, serial, "")
	}
	return certificateAt(found, at), err
}

// find returns the certificate with a serial number and, unless it is "", a state, and
// the height of the answer.
func (r restAPI) find(ctx context.Context, client *http.Client, n *node, height int64, owner, serial, state string) (Certificate, int64, error) {
	query := url.Values{"filter.owner": {owner}, "filter.serial": {serial}, "pagination.limit": {"1"}}
	if state != "" {
		query.Set("filter.state", state)
	}
	for range maxPages {
		var list struct {
			Certificates []struct {
				Serial      string `json:"serial"`
				Certificate struct {
					State string `json:"state"`
					Cert  []byte `json:"cert"` // base64 in JSON
				} `json:"certificate"`
			} `json:"certificates"`
			restPagination
		}
		at, err := r.get(ctx, client, n, certificateRoutes, height, "", query, &list)
		if err != nil {
			return Certificate{}, 0, err
		}
		for _, found := range list.Certificates {
			if found.Serial != serial {
				continue
			}
			c := found.Certificate
			if c.State == "" {
				c.State = state // some gateways leave it out
			}
			switch c.State {
			case "valid":
				return Certificate{State: Valid, PEM: c.Cert}, at, nil
			case "revoked":
				return Certificate{State: Revoked, PEM: c.Cert}, at, nil
			}
			return Certificate{}, at, nil
		}
		if len(list.Pagination.NextKey) == 0 {
			return Certificate{}, at, nil
		}
		query.Set("pagination.key", base64.StdEncoding.EncodeToString(list.Pagination.NextKey))
	}
	return Certificate{}, 0, n.describe(errTooManyPages)
}

// restPagination says in JSON how a list goes on.
type restPagination struct {
	Pagination struct {
		NextKey []byte `json:"next_key"`
	} `json:"pagination"`
}

func (r restAPI) leases(ctx context.Context, client *http.Client, n *node, height int64, f leaseFilter) (answer[Leases], error) {
	return leasePages(n, f, height, func(height int64, key []byte) (p page[proof.Lease], err error) {
		query := url.Values{
			"filters.owner": {f.owner}, "pagination.limit": {strconv.Itoa(leasesPerPage)}, "pagination.reverse": {"true"},
		}
		if f.state != "" {
			query.Set("filters.state", f.state)
		}
		if key != nil {
			query.Set("pagination.key", base64.StdEncoding.EncodeToString(key))
		}
		var list struct {
			Leases []struct {
				Lease restLease `json:"lease"`
			} `json:"leases"`
			restPagination
		}
		if p.at, err = r.get(ctx, client, n, leaseRoutes, height, "", query, &list); err != nil {
			return p, err
		}
		for _, one := range list.Leases {
			p.items = append(p.items, one.Lease.lease())
		}
		p.next = list.Pagination.NextKey
		return p, nil
	})
}

// restLease is a lease in JSON. Before version 1.0 of the chain, its id had another name.
type restLease struct {
	ID       restLeaseID `json:"id"`
	FormerID restLeaseID `json:"lease_id"`
	State    string      `json:"state"`
	Price    struct {
		Denom  string `json:"denom"`
		Amount string `json:"amount"`
	} `json:"price"`
	CreatedAt int64 `json:"created_at,string"`
	ClosedOn  int64 `json:"closed_on,string"`
}

type restLeaseID struct {
	Owner    string `json:"owner"`
	DSeq     uint64 `json:"dseq,string"`
	GSeq     uint32 `json:"gseq"`
	OSeq     uint32 `json:"oseq"`
	BSeq     uint32 `json:"bseq"`
	Provider string `json:"provider"`
}

func (l *restLease) lease() proof.Lease {
	id := cmp.Or(l.ID, l.FormerID)
	return proof.Lease{
		ID:    proof.LeaseID{Owner: id.Owner, DSeq: id.DSeq, GSeq: id.GSeq, OSeq: id.OSeq, BSeq: id.BSeq, Provider: id.Provider},
		State: leaseStates[l.State],
		Denom: l.Price.Denom, Amount: shortest(l.Price.Amount),
		CreatedAt: l.CreatedAt, ClosedOn: l.ClosedOn,
	}
}

// status asks whether the node is in sync, and for its latest block. A gateway without
// blocks leaves the rest of the status unknown.
func (r restAPI) status(ctx context.Context, client *http.Client, n *node) (nodeStatus, error) {
	var sync struct {
		Syncing *bool `json:"syncing"`
	}
	if _, err := r.get(ctx, client, n, []string{syncingRoute}, 0, "", nil, &sync); err != nil {
		return nodeStatus{}, err
	}
	if sync.Syncing == nil {
		return nodeStatus{}, n.describe(errors.New("the answer has no syncing"))
	}
	var latest struct {
		Block struct {
			Header struct {
				ChainID string    `json:"chain_id"`
				Height  int64     `json:"height,string"`
				Time    time.Time `json:"time"`
			} `json:"header"`
		} `json:"block"`
	}
	_, err := r.get(ctx, client, n, []string{latestBlockRoute}, 0, "", nil, &latest)
	if refused := (*gatewayError)(nil); err != nil && !(errors.As(err, &refused) && refused.unknownRoute()) {
		return nodeStatus{}, err
	}
	h := latest.Block.Header
	return nodeStatus{chainID: h.ChainID, height: h.Height, time: h.Time, syncing: *sync.Syncing}, nil
}

// gatewayError is a node's error for a query.
type gatewayError struct {
	status int
	// code is the gRPC code; 0 if the body is not the gateway's, as where a proxy in
	// front of the node answers.
	code    int
	message string
	height  int64 // 0 if unknown
}

func (e *gatewayError) Error() string {
	if e.code == 0 {
		return fmt.Sprintf("HTTP status %d", e.status)
	}
	return fmt.Sprintf("query refused with HTTP status %d, code %d: %s", e.status, e.code, printable(e.message))
}

// unknownRoute reports whether the node has no such route.
func (e *gatewayError) unknownRoute() bool {
	return e.code == gatewayUnimplemented || e.code == 0 && (e.status == http.StatusNotFound || e.status == http.StatusNotImplemented)
}

// get queries the routes until the node knows one, each with name as the last element
// of its path unless it is "", and decodes the answer. It asks about the state at a
// height, or the latest if it is 0, and returns the height of the answer.
func (r restAPI) get(ctx context.Context, client *http.Client, n *node, routes []string, height int64, name string, query url.Values, answer any) (at int64, err error) {
	body, err := tryPaths(n, routes, func(route string) (body []byte, err error) {
		if name != "" {
			route += "/" + name
		}
		body, at, err = r.send(ctx, client, n, route, height, query)
		return body, n.describe(err)
	}, func(err error) bool {
		var refused *gatewayError
		return errors.As(err, &refused) && refused.unknownRoute()
	})
	if err != nil {
		return 0, err
	}
	if json.Unmarshal(body, answer) != nil {
		return 0, n.describe(errors.New("the answer has an unexpected form"))
	}
	return at, nil
}

func (restAPI) send(ctx context.Context, client *http.Client, n *node, route string, height int64, query url.Values) ([]byte, int64, error) {
	u := n.url.JoinPath(route)
	// The node's own query may have a key.
	values := u.Query()
	for name := range query {
		values[name] = query[name]
	}
	u.RawQuery = values.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", "application/json")
	if height != 0 {
		req.Header.Set(heightHeader, strconv.FormatInt(height, 10))
	}
	res, body, err := n.fetch(client, req)
	if err != nil {
		return nil, 0, err
	}
	at := heightOf(res.Header)
	if res.StatusCode != http.StatusOK {
		refused := &gatewayError{status: res.StatusCode, height: at}
		var reply struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}
		if json.Unmarshal(body, &reply) == nil {
			refused.code, refused.message = reply.Code, n.scrub(reply.Message)
		}
		return nil, 0, refused
	}
	return body, at, nil
}

// heightOf returns the height of an answer; 0 if it does not say. Errors have it only
// under the name that the gateway gives to all gRPC headers.
func heightOf(h http.Header) int64 {
	text := cmp.Or(h.Get(heightHeader), h.Get("Grpc-Metadata-"+heightHeader))
	height, err := strconv.ParseInt(text, 10, 64)
	if err != nil || height < 0 {
		return 0
	}
	return height
}
