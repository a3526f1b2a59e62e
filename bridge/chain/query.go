package chain

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"akash-provider-web/bridge/internal/happyeyeballs"
)

// maxPages bounds the pages read of an answer. A filter by owner and serial number
// matches one certificate, so an answer in pages is unusual.
const maxPages = 16

// api is the interface that a node is queried by. Errors of its methods name the node
// and contain no secrets.
type api interface {
	// provider returns the host URI of a provider; found is false if the chain has no
	// record of it.
	provider(ctx context.Context, client *http.Client, n *node, address string) (hostURI string, found bool, err error)
	// certificate returns a certificate in any state.
	certificate(ctx context.Context, client *http.Client, n *node, owner, serial string) (Certificate, error)
	// syncing reports whether the node is catching up with the chain.
	syncing(ctx context.Context, client *http.Client, n *node) (bool, error)
}

func (c *Client) askProvider(ctx context.Context, address string) (Record, error) {
	r, err := ask(ctx, c, func(ctx context.Context, n *node) (*Record, error) {
		hostURI, found, err := n.api.provider(ctx, c.http, n, address)
		if err != nil || !found {
			return nil, err
		}
		return &Record{Owner: address, HostURI: hostURI, AsOf: c.now()}, nil
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
		return n.api.certificate(ctx, c.http, n, owner, serial)
	})
}

func (c *Client) askReady(ctx context.Context) error {
	_, err := ask(ctx, c, func(ctx context.Context, n *node) (struct{}, error) {
		syncing, err := n.api.syncing(ctx, c.http, n)
		if err == nil && syncing {
			err = n.describe(errors.New("the node is catching up with the chain"))
		}
		return struct{}{}, err
	})
	return err
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
