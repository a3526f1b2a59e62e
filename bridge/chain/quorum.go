package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

const (
	// nearHeights is how many blocks may lie between the states that equal answers
	// describe: about a minute.
	nearHeights = 10
	// maxRounds bounds how often the nodes are asked again when they differ, as they
	// do for a moment when the answer changes.
	maxRounds = 4
	// roundDelay is the time between two rounds if the nodes cannot be asked about the
	// same height.
	roundDelay = time.Second
	// firstCheckGrace is how long an answer waits for the first check of its node,
	// which began before.
	firstCheckGrace = time.Second
)

// question is asked of several nodes.
type question[V any] struct {
	// about names the subject in the log, such as "provider akash1…".
	about string
	// ask asks one node about the state at a height, or the latest if it is 0.
	ask func(ctx context.Context, n *node, height int64) (answer[V], error)
}

// vote is a node's answer to a question, or its failure.
type vote[V any] struct {
	node *node
	answer[V]
	err error
}

// agree asks nodes until as many as the quorum give equal answers, and returns that
// answer. It asks as many as are needed at once, and a further one whenever one fails,
// differs, or is slow.
//
// Nodes that are a block apart differ for a moment when the answer changes. If that
// leaves no quorum, they are asked again: about the height of the one that is behind, or
// without heights, after a second. A node that differs from a quorum is looked at again
// afterwards (lookAgain) and left out only then.
func agree[V any](ctx context.Context, c *Client, q question[V]) (V, Trust, error) {
	c.Start()
	nodes, leftOut := c.candidates(c.now())
	var first, votes []vote[V]
	if len(nodes) >= c.quorum {
		first = poll(ctx, c, q, nodes, 0, c.quorum)
		votes = first
	}
	height := int64(0)
	for round := 1; ; round++ {
		if won := winners(votes, c.quorum); won != nil {
			c.decided(won[0].says, ballots(votes), func(suspect *node) { lookAgain(c, q, suspect, won) })
			return won[0].value, quorumOf(len(won), len(c.nodes)), nil
		}
		if round == maxRounds || ctx.Err() != nil || len(answers(first)) < c.quorum {
			break
		}
		var certain bool
		if height, certain = commonHeight(votes, height); certain {
			break
		}
		if height == 0 && !sleep(ctx, roundDelay) {
			break
		}
		again := answers(first)
		asked := make([]*node, len(again))
		for i, v := range again {
			asked[i] = v.node
		}
		votes = poll(ctx, c, q, asked, height, len(asked))
	}
	var none V
	return none, "", c.undecided(q.about, append(ballots(first), leftOut...))
}

// poll asks atOnce nodes at once, and further ones while no quorum is reached. It
// returns all answers and failures up to then.
func poll[V any](ctx context.Context, c *Client, q question[V], nodes []*node, height int64, atOnce int) []vote[V] {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Polls do not wait for the nodes that are still running at the end.
	results := make(chan vote[V], len(nodes))
	started, running := 0, 0
	start := func() {
		n := nodes[started]
		started++
		running++
		go func() { results <- ask(ctx, c, n, height, q) }()
	}
	var votes []vote[V]
	timer := time.NewTimer(hedgeDelay)
	defer timer.Stop()
	for started < min(atOnce, len(nodes)) {
		start()
	}
	for running > 0 {
		var slow <-chan time.Time
		if started < len(nodes) {
			slow = timer.C
		}
		select {
		case v := <-results:
			running--
			votes = append(votes, v)
			best := len(largest(votes))
			if best >= c.quorum {
				return votes
			}
			for started < len(nodes) && best+running < c.quorum && ctx.Err() == nil {
				start()
				timer.Reset(hedgeDelay)
			}
		case <-slow:
			start()
			timer.Reset(hedgeDelay)
		case <-ctx.Done():
			for _, n := range nodes[:started] {
				if !slices.ContainsFunc(votes, func(v vote[V]) bool { return v.node == n }) {
					votes = append(votes, vote[V]{node: n, err: n.describe(context.DeadlineExceeded)})
				}
			}
			return votes
		}
	}
	return votes
}

// ask asks one node.
func ask[V any](ctx context.Context, c *Client, n *node, height int64, q question[V]) vote[V] {
	limited, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	began := time.Now()
	a, err := q.ask(limited, n, height)
	switch {
	case err == nil:
		c.metrics.queried(n, "answered", time.Since(began))
		if n.answered() {
			c.log.Info("chain node answers again", "node", n.name)
		}
		err = c.afterFirstCheck(ctx, n)
	case errors.Is(ctx.Err(), context.Canceled):
		// The others were faster. This one has not failed.
		if time.Since(began) >= hedgeDelay {
			n.overtaken(c.now())
		}
	case height != 0:
		// It may not have this block yet, or not any more.
		c.metrics.queried(n, "failed", time.Since(began))
	default:
		c.metrics.queried(n, "failed", time.Since(began))
		if n.failed(c.now()) {
			c.log.Warn("chain node failed", "node", n.name, "error", err)
		}
	}
	return vote[V]{n, a, err}
}

// answers returns the votes that are not failures.
func answers[V any](votes []vote[V]) []vote[V] {
	return slices.DeleteFunc(slices.Clone(votes), func(v vote[V]) bool { return v.err != nil })
}

// winners returns equal votes at near heights, as many as the quorum or more; nil if
// there are fewer.
func winners[V any](votes []vote[V], quorum int) []vote[V] {
	if best := largest(votes); len(best) >= quorum {
		return best
	}
	return nil
}

// largest returns the largest set of equal votes at heights that are near each other.
// A vote without a height counts as near to any.
func largest[V any](votes []vote[V]) []vote[V] {
	var best []vote[V]
	for _, of := range answers(votes) {
		equal := slices.DeleteFunc(answers(votes), func(v vote[V]) bool {
			return v.says != of.says || v.height != 0 && (v.height < of.height || v.height > of.height+nearHeights)
		})
		if len(equal) > len(best) {
			best = equal
		}
	}
	return best
}

// commonHeight returns a height that all nodes which gave votes can be asked about: that
// of the one furthest behind. It returns 0 if there is none, or if the votes are already
// about height. certain means that the votes are about one state, and asking again is
// useless.
func commonHeight[V any](votes []vote[V], asked int64) (height int64, certain bool) {
	given := answers(votes)
	if len(given) == 0 {
		return 0, false
	}
	low, high := given[0].height, given[0].height
	for _, v := range given {
		low, high = min(low, v.height), max(high, v.height)
	}
	switch {
	case low == 0 || high-low > nearHeights:
		return 0, false
	case low == high:
		return 0, len(given) == len(votes)
	case asked != 0:
		return 0, false // a node ignored the height
	}
	return low, false
}

// ballot is a vote in the words of an error.
type ballot struct {
	node   *node
	says   string
	height int64
	err    error
}

func ballots[V any](votes []vote[V]) []ballot {
	all := make([]ballot, len(votes))
	for i, v := range votes {
		all[i] = ballot{v.node, v.says, v.height, v.err}
	}
	return all
}

func (b ballot) error() error {
	switch {
	case b.err != nil:
		return b.err
	case b.height == 0:
		return fmt.Errorf("%s says: %s", b.node.name, b.says)
	}
	return fmt.Errorf("%s says at height %d: %s", b.node.name, b.height, b.says)
}

// undecided returns the error of a question on which no quorum agrees: chainUnavailable
// if too few nodes answer, chainDisagreement if enough do and differ.
func (c *Client) undecided(about string, votes []ballot) error {
	given := 0
	var causes []error
	for _, v := range votes {
		causes = append(causes, v.error())
		if v.err == nil {
			given++
		}
	}
	switch {
	case given >= c.quorum:
		c.metrics.undecided.Inc()
		if c.logDisagreement() {
			c.log.Warn("chain nodes disagree, and nobody is believed", "about", about, "quorum", c.quorum, "answers", failures(causes))
		}
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonChainDisagreement,
			"the chain nodes disagree, and %d equal answers are needed (%w); try again later, or have the bridge's operator remove the node that is wrong or add others with --chain-rpc and --chain-rest", c.quorum, failures(causes))
	case len(c.nodes) == 1:
		return unavailable(causes)
	}
	return c.unavailable(given, "answered", causes)
}

// logDisagreement reports whether a disagreement may be logged: once a minute, since
// every call may meet one.
func (c *Client) logDisagreement() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.disagreement) < time.Minute {
		return false
	}
	c.disagreement = now
	return true
}

// unavailable returns the error of a question that too few nodes answer.
func (c *Client) unavailable(given int, did string, causes []error) error {
	return rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable,
		"%d of %d chain nodes %s, and %d must agree (%w); try again later, or have the bridge's operator check --chain-rpc, --chain-rest and --chain-quorum",
		given, len(c.nodes), did, c.quorum, failures(causes))
}

// sleep waits, and returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
