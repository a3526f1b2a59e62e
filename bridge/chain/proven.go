package chain

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain/light"
	"akash-provider-web/bridge/chain/proof"
	"akash-provider-web/bridge/internal/happyeyeballs"
	"akash-provider-web/bridge/rpcerror"
)

const (
	// headerLifetime is how long after the nodes were asked for a newer header the newest
	// one is used without asking: about the time of a block.
	headerLifetime = 5 * time.Second
	// maxHeaderAge is how old a header may be from which answers are proven. A node that
	// keeps its newest blocks back could prove what is no longer so, such as that a
	// certificate is valid which was revoked since.
	maxHeaderAge = 2 * time.Minute
	// headerTimeout bounds a search for newer headers, which may need others in between.
	headerTimeout = 30 * time.Second
	// trustInterval is the time between refreshes of the trusted header where nothing
	// asks for it, so that it never becomes older than the trusting period.
	trustInterval = 10 * time.Minute
)

// prove has answers proven, as the options ask.
func (c *Client) prove(o Options) error {
	c.nodes = slices.DeleteFunc(c.nodes, func(n *node) bool {
		_, ok := n.api.(rpcAPI)
		if !ok {
			c.log.Warn("chain node is not asked, because a REST API cannot prove its answers", "node", n.name)
		}
		return !ok
	})
	if len(c.nodes) == 0 {
		return errors.New("chain: only nodes with the CometBFT RPC can prove their answers, and none is given")
	}
	for _, n := range c.nodes {
		n.source = &headerSource{n, c}
	}
	unsaved := false
	var err error
	c.light, err = light.New(light.Options{
		Trust: *o.Trust,
		File:  o.TrustFile,
		Now:   c.now,
		Rejected: func(s light.Source, err error) {
			c.refuse(s.(*headerSource).node, "a header", err)
		},
		SaveFailed: func(err error) {
			if !unsaved {
				c.log.Warn("the trusted header cannot be written to the file", "error", err)
			}
			unsaved = true
		},
	})
	return err
}

// Continue has the client go on from the headers that another client has verified, whose
// place it takes. It is called before the first query.
func (c *Client) Continue(from *Client) {
	if c.light != nil && from.light != nil {
		c.light.Continue(from.light)
	}
}

// headerSource is a node as a source of headers.
type headerSource struct {
	node   *node
	client *Client
}

func (s *headerSource) Name() string { return s.node.name }

func (s *headerSource) Latest(ctx context.Context) (tip light.Tip, err error) {
	err = s.timed(ctx, func(ctx context.Context) error {
		status, err := s.node.api.status(ctx, s.client.http, s.node)
		tip = light.Tip{Height: status.height, Time: status.time}
		return err
	})
	return tip, err
}

func (s *headerSource) SignedHeader(ctx context.Context, height int64) (*light.SignedHeader, error) {
	var result json.RawMessage
	err := s.call(ctx, "commit", map[string]any{"height": strconv.FormatInt(height, 10)}, &result)
	if err != nil {
		return nil, err
	}
	signed, err := light.DecodeCommit(result)
	return signed, s.node.describe(err)
}

func (s *headerSource) Validators(ctx context.Context, height int64) ([]light.Validator, error) {
	const perPage = 100 // the most that a node returns
	var all []light.Validator
	for page := 1; ; page++ {
		var result json.RawMessage
		err := s.call(ctx, "validators", map[string]any{
			"height": strconv.FormatInt(height, 10), "page": strconv.Itoa(page), "per_page": strconv.Itoa(perPage),
		}, &result)
		if err != nil {
			return nil, err
		}
		validators, total, err := light.DecodeValidators(result)
		if err != nil {
			return nil, s.node.describe(err)
		}
		if all = append(all, validators...); len(all) >= total {
			return all, nil
		}
	}
}

func (s *headerSource) call(ctx context.Context, method string, params, result any) error {
	return s.timed(ctx, func(ctx context.Context) error {
		return rpcAPI{}.call(ctx, s.client.http, s.node, method, params, result)
	})
}

// timed bounds a request's time, and records how it went. A node that others did not wait
// for has failed if it was slow.
func (s *headerSource) timed(ctx context.Context, request func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	c, n, began := s.client, s.node, time.Now()
	err := request(limited)
	took := time.Since(began)
	switch {
	case err == nil:
		c.metrics.queried(n, "answered", took)
		if n.answered() {
			c.log.Info("chain node answers again", "node", n.name)
		}
	case errors.Is(ctx.Err(), context.Canceled) && took < hedgeDelay || c.closed.Err() != nil:
		// The others were faster. This one has not failed.
	default:
		c.metrics.queried(n, "failed", took)
		if n.failed(c.now()) {
			c.log.Warn("chain node failed", "node", n.name, "error", err)
		}
	}
	return err
}

// keepTrust refreshes the trusted header until the client is closed.
func (c *Client) keepTrust() {
	trust := c.light.Trust()
	c.log.Info("answers of the chain are proven", "trust", trust.String())
	timer := time.NewTicker(trustInterval)
	defer timer.Stop()
	for {
		if _, err := c.header(c.closed); err != nil && c.closed.Err() == nil {
			c.log.Error("the newest header of the chain cannot be verified", "error", err)
		}
		select {
		case <-timer.C:
		case <-c.closed.Done():
			return
		}
	}
}

// header returns a verified header of the chain that is new enough to prove answers from.
func (c *Client) header(ctx context.Context) (*light.Header, error) {
	c.Start()
	if at := c.refreshed.Load(); at != nil && c.now().Sub(*at) < headerLifetime {
		if h, err := c.light.Header(); err == nil && h != nil && c.now().Sub(h.Time) < maxHeaderAge {
			return h, nil
		}
	}
	return shareFor(ctx, c, "header", headerTimeout, func(ctx context.Context) (*light.Header, error) {
		nodes, leftOut := c.candidates(c.now())
		var sources []light.Source
		for _, n := range nodes { // those in backoff last
			if n.inBackoff(c.now()) && len(sources) >= c.quorum {
				break
			}
			sources = append(sources, n.source)
		}
		h, err := c.light.Refresh(ctx, sources, c.quorum)
		if err != nil {
			return nil, c.untrusted(err, leftOut)
		}
		now := c.now()
		if age := now.Sub(h.Time); age > maxHeaderAge {
			return nil, rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable,
				"the newest block that %d chain nodes have (height %d) is %s old, too old to prove what the chain's state is: the chain has stopped, the nodes are behind, or the bridge's clock is wrong; try again later, or have the bridge's operator check --chain-rpc",
				c.quorum, h.Height, age.Round(time.Second))
		}
		c.refreshed.Store(&now)
		return h, nil
	})
}

// untrusted returns the error of a failed refresh.
func (c *Client) untrusted(err error, leftOut []ballot) error {
	var expired *light.ExpiredError
	switch {
	case errors.As(err, new(*light.ForkError)):
		c.log.Error("the chain has forked, and no answer is believed any more; find out which header is right, then start again with --chain-trust", "error", err)
		return c.forked()
	case errors.As(err, &expired):
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable,
			"the bridge's trust in the chain has run out: %w; its operator must restart it with --chain-trust and a newer header from a source that is trusted", err)
	}
	causes := []error{err}
	for _, b := range leftOut {
		causes = append(causes, b.err)
	}
	return rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable,
		"the newest header of the chain cannot be verified (%w); try again later, or have the bridge's operator check --chain-trust, --chain-rpc and --chain-quorum", failures(causes))
}

// forked returns an error if the chain has forked.
func (c *Client) forked() error {
	if c.light == nil {
		return nil
	}
	if fork := c.light.Fork(); fork != nil {
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonChainDisagreement,
			"%w; nothing is believed until the bridge's operator has found out which is right and restarts it with --chain-trust", fork)
	}
	return nil
}

func (c *Client) proveProvider(ctx context.Context, address string) (host, error) {
	key, err := proof.ProviderKey(address)
	if err != nil {
		return host{}, nil // it cannot be on the chain
	}
	return proven(ctx, c, "provider "+address, func(ctx context.Context, n *node, at *light.Header) (host, error) {
		value, err := c.proveKey(ctx, n, at, proof.ProviderStore, key)
		if err != nil || value == nil {
			return host{}, err
		}
		p, err := proof.DecodeProvider(value)
		if err == nil && p.Owner != address {
			err = errOtherRecord
		}
		return host{p.HostURI, true}, n.describe(err)
	})
}

func (c *Client) proveCertificate(ctx context.Context, owner, serial string) (Certificate, error) {
	// Nearly all certificates that are asked for are valid, and that is one proof.
	valid, err := proof.CertificateKey(proof.CertificateValid, owner, serial)
	if err != nil {
		return Certificate{}, nil // it cannot be on the chain
	}
	revoked, err := proof.CertificateKey(proof.CertificateRevoked, owner, serial)
	if err != nil {
		return Certificate{}, nil
	}
	return proven(ctx, c, "certificate "+serial+" of "+owner, func(ctx context.Context, n *node, at *light.Header) (Certificate, error) {
		for _, in := range []struct {
			key   []byte
			state proof.CertificateState
			means State
		}{{valid, proof.CertificateValid, Valid}, {revoked, proof.CertificateRevoked, Revoked}} {
			value, err := c.proveKey(ctx, n, at, proof.CertificateStore, in.key)
			switch {
			case err != nil:
				return Certificate{}, err
			case value == nil:
				continue
			}
			found, err := proof.DecodeCertificate(value)
			if err == nil && found.State != in.state {
				err = errors.New("the certificate's state is not that of its key")
			}
			return Certificate{State: in.means, PEM: found.PEM}, n.describe(err)
		}
		return Certificate{}, nil
	})
}

// proven asks nodes in order until one proves its answer.
func proven[V any](ctx context.Context, c *Client, about string, ask func(context.Context, *node, *light.Header) (V, error)) (V, error) {
	var none V
	at, err := c.header(ctx)
	if err != nil {
		return none, err
	}
	nodes, leftOut := c.candidates(c.now())
	found, failed := happyeyeballs.First(ctx, hedgeDelay, nodes, func(ctx context.Context, n *node) (V, error) {
		limited, cancel := context.WithTimeout(ctx, nodeTimeout)
		defer cancel()
		began := time.Now()
		v, err := ask(limited, n, at)
		var refused *unprovenError
		switch {
		case err == nil:
			c.metrics.queried(n, "answered", time.Since(began))
			if n.answered() {
				c.log.Info("chain node answers again", "node", n.name)
			}
			if n.agreed(c.now()) {
				c.log.Info("chain node proves its answers again", "node", n.name)
			}
		case errors.As(err, &refused):
			c.metrics.queried(n, "answered", time.Since(began))
			c.refuse(n, about, err)
		case errors.Is(ctx.Err(), context.Canceled):
			// Another was faster. This one has not failed.
		default:
			// It may not have this block yet, or not any more.
			c.metrics.queried(n, "failed", time.Since(began))
			if n.failed(c.now()) {
				c.log.Warn("chain node failed", "node", n.name, "error", err)
			}
		}
		return v, err
	}, nil)
	if len(failed) == 0 {
		return found, nil
	}
	for _, b := range leftOut {
		failed = append(failed, b.err)
	}
	return none, rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable,
		"no chain node proved its answer (%w); try again later, or have the bridge's operator check --chain-rpc", failures(failed))
}

// unprovenError means that a node's proof does not hold.
type unprovenError struct{ error }

func (e *unprovenError) Unwrap() error { return e.error }

// proveKey asks a node for a key in a store and verifies the answer by the header. A nil
// value means that the store does not have the key.
func (c *Client) proveKey(ctx context.Context, n *node, at *light.Header, store string, key []byte) ([]byte, error) {
	height := at.Height - 1 // a header has the hash of the state before its block
	var result struct {
		Response struct {
			Code     uint32 `json:"code"`
			Log      string `json:"log"`
			Value    []byte `json:"value"` // base64 in JSON, as are the others
			ProofOps struct {
				Ops []proof.Op `json:"ops"`
			} `json:"proofOps"`
			Height int64 `json:"height,string"`
		} `json:"response"`
	}
	err := rpcAPI{}.call(ctx, c.http, n, "abci_query", map[string]any{
		"path":   "/store/" + store + "/key",
		"data":   hex.EncodeToString(key),
		"height": strconv.FormatInt(height, 10),
		"prove":  true,
	}, &result)
	switch r := &result.Response; {
	case err != nil:
		return nil, err
	case r.Code != codeOK:
		return nil, fmt.Errorf("%s: %w", n.name, &queryError{code: r.Code, log: n.scrub(r.Log), height: r.Height})
	case r.Height != height:
		return nil, n.describe(fmt.Errorf("the answer is about height %d, not %d", r.Height, height))
	case len(r.Value) == 0:
		err = proof.Absence(r.ProofOps.Ops, at.AppHash, store, key)
	default:
		err = proof.Membership(r.ProofOps.Ops, at.AppHash, store, key, r.Value)
	}
	if err != nil {
		return nil, n.describe(&unprovenError{err})
	}
	return result.Response.Value, nil
}

// refuse stops asking a node for a while, because something that it sent is not true.
func (c *Client) refuse(n *node, about string, why error) {
	c.metrics.refused.WithLabelValues(n.name).Inc()
	if n.differed(c.now(), "what it sent was refused") {
		c.log.Warn("chain node sent what is not true and is left out; remove it unless you know why", "node", n.name, "about", about, "error", why)
	}
}
