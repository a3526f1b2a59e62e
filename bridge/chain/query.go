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

// The paths of a query, today's first, then the one before the chain's v1.0:
// the messages are the same (proto/akash-provider-api.md, section 5).
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

// maxPages bounds how far a paginated answer is followed. A filter by owner and
// serial number matches one certificate, so a node that sends pages is odd.
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
			return nil, fmt.Errorf("%s: a provider record that cannot be decoded", n.name)
		}
		if owner := response.GetProvider().GetOwner(); owner != address {
			return nil, fmt.Errorf("%s: another provider's record", n.name)
		}
		return &Record{Owner: address, HostURI: response.Provider.HostUri, AsOf: c.now()}, nil
	})
	switch now := c.now(); {
	case err != nil:
		return Record{}, err
	case r == nil:
		c.records.drop(address)
		c.absent.put(address, Absent, now.Add(absentLifetime), now)
		return Record{}, unknownProvider(address)
	default:
		c.records.put(address, *r, now.Add(staleLifetime), now)
		return *r, nil
	}
}

func (c *Client) askCertificate(ctx context.Context, owner, serial string) (Certificate, error) {
	return ask(ctx, c, func(ctx context.Context, n *node) (Certificate, error) {
		// No state in the filter: revoked must be told from absent.
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
				return Certificate{}, fmt.Errorf("%s: a certificate list that cannot be decoded", n.name)
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
		return Certificate{}, fmt.Errorf("%s: a certificate list without end", n.name)
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
			return struct{}{}, fmt.Errorf("%s: a status without sync_info", n.name)
		}
		if status.SyncInfo.CatchingUp {
			return struct{}{}, fmt.Errorf("%s: still catching up with the chain", n.name)
		}
		return struct{}{}, nil
	})
	return err
}

// query runs a query in the dialect that the node understands. A node that
// knows no such path says "unknown request", and so does one that failed in
// many other ways; the next path tells which.
func (c *Client) query(ctx context.Context, n *node, paths []string, message []byte) ([]byte, error) {
	first := int(n.dialect.Load())
	var refusal error
	for i := range paths {
		at := (first + i) % len(paths)
		value, err := n.query(ctx, c.http, paths[at], message)
		if refused := (*queryError)(nil); errors.As(err, &refused) && refused.code == codeUnknownRequest {
			refusal = errors.Join(refusal, err)
			continue
		}
		n.dialect.Store(int32(at))
		return value, err
	}
	return nil, refusal
}

// ask puts one question to the nodes: to the next one too when the first is
// slow, to the next one at once when it fails.
func ask[V any](ctx context.Context, c *Client, question func(context.Context, *node) (V, error)) (V, error) {
	v, failures := happyeyeballs.First(ctx, hedgeDelay, c.order(c.now()), func(ctx context.Context, n *node) (V, error) {
		limited, cancel := context.WithTimeout(ctx, nodeTimeout)
		defer cancel()
		v, err := question(limited, n)
		switch {
		case err == nil:
			if n.answered() {
				c.log.Info("chain node answers again", "node", n.name)
			}
		case errors.Is(ctx.Err(), context.Canceled):
			// Another node was faster: no fault of this one's.
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

// order returns the nodes as configured, the resting ones last.
func (c *Client) order(now time.Time) []*node {
	nodes := slices.Clone(c.nodes)
	slices.SortStableFunc(nodes, func(a, b *node) int {
		switch x, y := a.resting(now), b.resting(now); {
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

func (c *Client) allResting(now time.Time) bool {
	return !slices.ContainsFunc(c.nodes, func(n *node) bool { return !n.resting(now) })
}
