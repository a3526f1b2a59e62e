package chain

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
)

const syncingRoute = "/cosmos/base/tendermint/v1beta1/syncing"

// gRPC codes in the gateway's errors.
const (
	gatewayNotFound      = 5
	gatewayUnimplemented = 12
)

func (r restAPI) provider(ctx context.Context, client *http.Client, n *node, address string) (string, bool, error) {
	var answer struct {
		Provider struct {
			Owner   string `json:"owner"`
			HostURI string `json:"host_uri"`
		} `json:"provider"`
	}
	err := r.get(ctx, client, n, providerRoutes, url.PathEscape(address), nil, &answer)
	if refused := (*gatewayError)(nil); errors.As(err, &refused) && refused.code == gatewayNotFound {
		return "", false, nil
	} else if err != nil {
		return "", false, err
	}
	if answer.Provider.Owner != address {
		return "", false, n.describe(errOtherRecord)
	}
	return answer.Provider.HostURI, true, nil
}

// certificate asks for a valid certificate, which is what nearly every server has, and
// without one for a revoked one.
func (r restAPI) certificate(ctx context.Context, client *http.Client, n *node, owner, serial string) (Certificate, error) {
	const valid = "valid"
	found, err := r.find(ctx, client, n, owner, serial, valid)
	if err != nil || found.State != Absent {
		return found, err
	}
	return r.find(ctx, client, n, owner, serial, "")
}

// find returns the certificate with a serial number and, unless it is "", a state.
func (r restAPI) find(ctx context.Context, client *http.Client, n *node, owner, serial, state string) (Certificate, error) {
	query := url.Values{"filter.owner": {owner}, "filter.serial": {serial}, "pagination.limit": {"1"}}
	if state != "" {
		query.Set("filter.state", state)
	}
	for range maxPages {
		var answer struct {
			Certificates []struct {
				Serial      string `json:"serial"`
				Certificate struct {
					State string `json:"state"`
					Cert  []byte `json:"cert"` // base64 in JSON
				} `json:"certificate"`
			} `json:"certificates"`
			Pagination struct {
				NextKey []byte `json:"next_key"`
			} `json:"pagination"`
		}
		if err := r.get(ctx, client, n, certificateRoutes, "", query, &answer); err != nil {
			return Certificate{}, err
		}
		for _, found := range answer.Certificates {
			if found.Serial != serial {
				continue
			}
			c := found.Certificate
			if c.State == "" {
				c.State = state // some gateways leave it out
			}
			switch c.State {
			case "valid":
				return Certificate{State: Valid, PEM: c.Cert}, nil
			case "revoked":
				return Certificate{State: Revoked, PEM: c.Cert}, nil
			}
			return Certificate{}, nil
		}
		if len(answer.Pagination.NextKey) == 0 {
			return Certificate{}, nil
		}
		query.Set("pagination.key", base64.StdEncoding.EncodeToString(answer.Pagination.NextKey))
	}
	return Certificate{}, n.describe(errTooManyPages)
}

func (r restAPI) syncing(ctx context.Context, client *http.Client, n *node) (bool, error) {
	var answer struct {
		Syncing *bool `json:"syncing"`
	}
	if err := r.get(ctx, client, n, []string{syncingRoute}, "", nil, &answer); err != nil {
		return false, err
	}
	if answer.Syncing == nil {
		return false, n.describe(errors.New("the answer has no syncing"))
	}
	return *answer.Syncing, nil
}

// gatewayError is a node's error for a query.
type gatewayError struct {
	status int
	// code is the gRPC code; 0 if the body is not the gateway's, as where a proxy in
	// front of the node answers.
	code    int
	message string
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
// of its path unless it is "", and decodes the answer.
func (r restAPI) get(ctx context.Context, client *http.Client, n *node, routes []string, name string, query url.Values, answer any) error {
	body, err := tryPaths(n, routes, func(route string) ([]byte, error) {
		if name != "" {
			route += "/" + name
		}
		body, err := r.send(ctx, client, n, route, query)
		return body, n.describe(err)
	}, func(err error) bool {
		var refused *gatewayError
		return errors.As(err, &refused) && refused.unknownRoute()
	})
	if err != nil {
		return err
	}
	if json.Unmarshal(body, answer) != nil {
		return n.describe(errors.New("the answer has an unexpected form"))
	}
	return nil
}

func (restAPI) send(ctx context.Context, client *http.Client, n *node, route string, query url.Values) ([]byte, error) {
	u := n.url.JoinPath(route)
	// The node's own query may have a key.
	values := u.Query()
	for name := range query {
		values[name] = query[name]
	}
	u.RawQuery = values.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	body, status, err := n.fetch(client, req)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		refused := &gatewayError{status: status}
		var reply struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}
		if json.Unmarshal(body, &reply) == nil {
			refused.code, refused.message = reply.Code, n.scrub(reply.Message)
		}
		return nil, refused
	}
	return body, nil
}
