package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/internal/happyeyeballs"
	certv1 "akash-provider-web/proto/akash/cert/v1"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	queryv1beta1 "akash-provider-web/proto/cosmos/base/query/v1beta1"
)

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
)

// maxPages bounds the pages read of an answer. A filter by owner and serial number
// matches one certificate, so an answer in pages is unusual.
const maxPages = 16

func (c *Client) askProvider(ctx context.Context, address string) (Record, error) {
	message, err := proto.Marshal(&providerv1beta4.QueryProviderRequest{Owner: address})
	if err != nil {
		return Record{}, unavailable([]error{err})
	}
	r, err := ask(ctx, c, func(ctx context.Context, n *node) (*Record, error) {
		value, err := c.query(ctx, n, providerPaths, message)
		if refused := (*queryError)(nil); errors.As(err, &refused) && refused.code == codeKeyNotFound {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		var response providerv1beta4.QueryProviderResponse
		if err := proto.Unmarshal(value, &response); err != nil {
			return nil, fmt.Errorf("%s: the provider's record cannot be decoded", n.name)
		}
		if owner := response.GetProvider().GetOwner(); owner != address {
			return nil, fmt.Errorf("%s: the record is of another provider", n.name)
		}
		return &Record{Owner: address, HostURI: response.Provider.HostUri, AsOf: c.now()}, nil
	})
	switch now := c.now(); {
	case err != nil:
		return Record{}, err
	case r == nil:
		c.records.remove(address)
		c.absent.put(address, Absent, now.Add(absentLifetime), now)
		return Record{}, unknownProvider(address)
	default:
		c.records.put(address, *r, now.Add(staleLifetime), now)
		return *r, nil
	}
}

func (c *Client) askCertificate(ctx context.Context, owner, serial string) (Certificate, error) {
	return ask(ctx, c, func(ctx context.Context, n *node) (Certificate, error) {
		// The filter has no state, so that revoked certificates are found.
		request := &certv1.QueryCertificatesRequest{
			Filter: &certv1.CertificateFilter{Owner: owner, Serial: serial},
		}
		for range maxPages {
			message, err := proto.Marshal(request)
			if err != nil {
				return Certificate{}, err
			}
			value, err := c.query(ctx, n, certificatePaths, message)
			if refused := (*queryError)(nil); errors.As(err, &refused) && refused.code == codeKeyNotFound {
				return Certificate{}, nil
			} else if err != nil {
				return Certificate{}, err
			}
			var response certv1.QueryCertificatesResponse
			if err := proto.Unmarshal(value, &response); err != nil {
				return Certificate{}, fmt.Errorf("%s: the certificate list cannot be decoded", n.name)
			}
			for _, found := range response.Certificates {
				if found.Serial == serial {
					return certificate(found.Certificate), nil
				}
			}
			next := response.GetPagination().GetNextKey()
			if len(next) == 0 {
				return Certificate{}, nil
			}
			request.Pagination = &queryv1beta1.PageRequest{Key: next}
		}
		return Certificate{}, fmt.Errorf("%s: the certificate list has too many pages", n.name)
	})
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

func (c *Client) askReady(ctx context.Context) error {
	_, err := ask(ctx, c, func(ctx context.Context, n *node) (struct{}, error) {
		var status struct {
			SyncInfo *struct {
				CatchingUp bool `json:"catching_up"`
			} `json:"sync_info"`
		}
		if err := n.call(ctx, c.http, "status", struct{}{}, &status); err != nil {
			return struct{}{}, err
		}
		if status.SyncInfo == nil {
			return struct{}{}, fmt.Errorf("%s: the status has no sync_info", n.name)
		}
		if status.SyncInfo.CatchingUp {
			return struct{}{}, fmt.Errorf("%s: the node is catching up with the chain", n.name)
		}
		return struct{}{}, nil
	})
	return err
}

// query tries the paths until the node knows one. "unknown request" may mean an
// unknown path or one of many other failures; trying the next path tells which.
func (c *Client) query(ctx context.Context, n *node, paths []string, message []byte) ([]byte, error) {
	first := int(n.pathVersion.Load())
	var refusal error
	for i := range paths {
		at := (first + i) % len(paths)
		value, err := n.query(ctx, c.http, paths[at], message)
		if refused := (*queryError)(nil); errors.As(err, &refused) && refused.code == codeUnknownRequest {
			refusal = errors.Join(refusal, err)
			continue
		}
		n.pathVersion.Store(int32(at))
		return value, err
	}
	return nil, refusal
}

// ask runs a query on the nodes: on the next one too if a node is slow, and on the
// next one at once if a node fails.
func ask[V any](ctx context.Context, c *Client, query func(context.Context, *node) (V, error)) (V, error) {
	v, failures := happyeyeballs.First(ctx, hedgeDelay, c.order(c.now()), func(ctx context.Context, n *node) (V, error) {
		limited, cancel := context.WithTimeout(ctx, nodeTimeout)
		defer cancel()
		v, err := query(limited, n)
		switch {
		case err == nil:
			if n.answered() {
				c.log.Info("chain node answers again", "node", n.name)
			}
		case errors.Is(ctx.Err(), context.Canceled):
			// Another node was faster. This one has not failed.
		default:
			if n.failed(c.now()) {
				c.log.Warn("chain node failed", "node", n.name, "error", err)
			}
		}
		return v, err
	}, nil)
	if len(failures) > 0 {
		return v, unavailable(failures)
	}
	return v, nil
}

// order returns the nodes in the configured order, those in backoff last.
func (c *Client) order(now time.Time) []*node {
	nodes := slices.Clone(c.nodes)
	slices.SortStableFunc(nodes, func(a, b *node) int {
		switch x, y := a.inBackoff(now), b.inBackoff(now); {
		case x == y:
			return 0
		case x:
			return 1
		default:
			return -1
		}
	})
	return nodes
}

func (c *Client) allInBackoff(now time.Time) bool {
	return !slices.ContainsFunc(c.nodes, func(n *node) bool { return !n.inBackoff(now) })
}
