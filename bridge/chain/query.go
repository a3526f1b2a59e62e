package chain

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// maxPages bounds the pages read of an answer. A filter by owner and serial number
// matches one certificate, so an answer in pages is unusual.
const maxPages = 16

// api is the interface that a node is queried by. Queries are about the state at a
// height, or the latest if it is 0. Errors of its methods name the node and contain no
// secrets.
type api interface {
	// provider returns the host URI of a provider.
	provider(ctx context.Context, client *http.Client, n *node, height int64, address string) (answer[host], error)
	// certificate returns a certificate in any state.
	certificate(ctx context.Context, client *http.Client, n *node, height int64, owner, serial string) (answer[Certificate], error)
	// leases returns the leases that a filter selects, the newest maxLeases of them, with
	// amounts as decimal numbers.
	leases(ctx context.Context, client *http.Client, n *node, height int64, f leaseFilter) (answer[Leases], error)
	// providers returns all providers.
	providers(ctx context.Context, client *http.Client, n *node, height int64) (answer[Providers], error)
	// status returns the node's chain, its latest block, and whether it is catching up.
	status(ctx context.Context, client *http.Client, n *node) (nodeStatus, error)
}

func (c *Client) askProvider(ctx context.Context, address string) (Record, error) {
	found, trust, err := c.findProvider(ctx, address)
	switch now := c.now(); {
	case err != nil:
		return Record{}, err
	case !found.found:
		c.records.remove(address)
		c.absent.put(address, Absent, now.Add(absentLifetime), now)
		return Record{}, unknownProvider(address)
	default:
		r := Record{Owner: address, HostURI: found.uri, AsOf: now, Trust: trust}
		c.records.put(address, r, now.Add(staleLifetime), now)
		return r, nil
	}
}

func (c *Client) findProvider(ctx context.Context, address string) (host, Trust, error) {
	if c.light != nil {
		found, err := c.proveProvider(ctx, address)
		return found, Proven, err
	}
	return agree(ctx, c, question[host]{"provider " + address, func(ctx context.Context, n *node, height int64) (answer[host], error) {
		return n.api.provider(ctx, c.http, n, height, address)
	}})
}

func (c *Client) askCertificate(ctx context.Context, owner, serial string) (Certificate, error) {
	if c.light != nil {
		found, err := c.proveCertificate(ctx, owner, serial)
		found.Trust = Proven
		return found, err
	}
	found, trust, err := agree(ctx, c, question[Certificate]{"certificate " + serial + " of " + owner, func(ctx context.Context, n *node, height int64) (answer[Certificate], error) {
		return n.api.certificate(ctx, c.http, n, height, owner, serial)
	}})
	found.Trust = trust
	return found, err
}

// tryPaths queries a node with one path after another, until it knows one. It begins
// with the path that the node knew last. unknown reports whether an error may mean that
// the node does not know the path.
func tryPaths[V any](n *node, paths []string, query func(path string) (V, error), unknown func(error) bool) (V, error) {
	first := int(n.pathVersion.Load())
	var refusal error
	for i := range paths {
		at := (first + i) % len(paths)
		value, err := query(paths[at])
		if err != nil && unknown(err) {
			refusal = errors.Join(refusal, err)
			continue
		}
		n.pathVersion.Store(int32(at))
		return value, err
	}
	var none V
	return none, refusal
}

// candidates returns the nodes that may be asked, in the configured order, then those
// that are slow, and those in backoff last, and why the others are left out.
func (c *Client) candidates(now time.Time) (nodes []*node, leftOut []ballot) {
	for _, n := range c.nodes {
		if err := n.leftOut(now); err != nil {
			leftOut = append(leftOut, ballot{node: n, err: err})
		} else {
			nodes = append(nodes, n)
		}
	}
	slices.SortStableFunc(nodes, func(a, b *node) int { return cmp.Compare(a.handicap(now), b.handicap(now)) })
	return nodes, leftOut
}

// fewerWork reports whether fewer nodes work than the quorum needs.
func (c *Client) fewerWork(now time.Time) bool {
	working := 0
	for _, n := range c.nodes {
		if n.leftOut(now) == nil && !n.inBackoff(now) {
			working++
		}
	}
	if c.light != nil {
		return working == 0
	}
	return working < c.quorum
}
