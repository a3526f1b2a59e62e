package chain

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// A node that differs from the others is not asked for a while, longer each time.
const (
	minLeaveOut = time.Minute
	maxLeaveOut = 30 * time.Minute
	// forgetAfter is how long after the last difference the next one counts as the
	// first.
	forgetAfter = 2 * time.Hour
)

const (
	// settleTime is how long nodes may differ after the answer has changed: a little
	// longer than a block takes.
	settleTime = 7 * time.Second
	// lookTimeout bounds the second look at a node that differs.
	lookTimeout = settleTime + 2*nodeTimeout
)

// difference says whether a node differs from the others.
type difference struct {
	open   bool          // it has not agreed with the others since
	last   time.Time     // when it was last found to differ
	length time.Duration // how long it was left out then
	until  time.Time     // until when it is left out
	why    string
}

// differed leaves the node out for a while. It reports whether the node had agreed with
// the others before.
func (n *node) differed(now time.Time, why string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := &n.differs
	if now.Sub(d.last) > forgetAfter {
		d.length = 0
	}
	before := !d.open
	d.open, d.last, d.why = true, now, why
	d.length = min(max(2*d.length, minLeaveOut), maxLeaveOut)
	d.until = now.Add(d.length)
	return before
}

// agreed records that the node agrees with the others. It reports whether it had
// differed before.
func (n *node) agreed(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.differs.open || now.Before(n.differs.until) {
		return false // an answer from before it was left out does not count
	}
	n.differs.open = false
	return true
}

// leftOut returns why the node is not asked; nil if it is.
func (n *node) leftOut(now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case now.Before(n.differs.until):
		return fmt.Errorf("%s: left out until %s, because %s", n.name, n.differs.until.UTC().Format(time.TimeOnly), n.differs.why)
	case n.off != nil || n.distant != nil:
		return fmt.Errorf("%s: left out, because %w", n.name, cmp.Or(n.off, n.distant))
	}
	return nil
}

// lookAgain asks a node that differs from a quorum a second time, and leaves it out if it
// still does. It does not delay the call that the quorum answered.
//
// A node may be ahead of the others or behind. So it is asked about the height of their
// answers, where it has no excuse. If that is not possible, all are asked again when a
// block has passed: if the answer has changed on the chain, the others then follow.
func lookAgain[V any](c *Client, q question[V], suspect *node, won []vote[V]) {
	if !suspect.looking.CompareAndSwap(false, true) {
		return
	}
	started := c.background(func() {
		defer suspect.looking.Store(false)
		ctx, cancel := context.WithTimeout(c.closed, lookTimeout)
		defer cancel()
		height := int64(0)
		for _, v := range won {
			height = max(height, v.height)
		}
		if height != 0 {
			if v := ask(ctx, c, suspect, height, q); v.err == nil && v.height == height {
				if v.says != won[0].says {
					c.leaveOut(suspect, q.about, v.says, won[0].says)
				}
				return
			}
		}
		if !sleep(ctx, settleTime) {
			return
		}
		asked := []*node{suspect}
		for _, v := range won {
			asked = append(asked, v.node)
		}
		votes := askAll(ctx, c, q, asked)
		theirs := votes[0]
		if again := winners(votes[1:], c.quorum); again != nil && theirs.err == nil && theirs.says != again[0].says {
			c.leaveOut(suspect, q.about, theirs.says, again[0].says)
		}
	})
	if !started {
		suspect.looking.Store(false)
	}
}

// askAll asks all nodes and waits for all.
func askAll[V any](ctx context.Context, c *Client, q question[V], nodes []*node) []vote[V] {
	type indexed struct {
		i int
		vote[V]
	}
	results := make(chan indexed, len(nodes))
	for i, n := range nodes {
		go func() { results <- indexed{i, ask(ctx, c, n, 0, q)} }()
	}
	votes := make([]vote[V], len(nodes))
	for range nodes {
		r := <-results
		votes[r.i] = r.vote
	}
	return votes
}

// leaveOut stops asking a node for a while, because it differs from a quorum.
func (c *Client) leaveOut(n *node, about, says, others string) {
	c.metrics.disagreements.WithLabelValues(n.name).Inc()
	if n.differed(c.now(), "it differed from the others") {
		c.log.Warn("chain node differs from the others and is left out; remove it unless you know why",
			"node", n.name, "about", about, "says", says, "others", others)
	}
}

// decided records which nodes agree with a quorum, and looks again at those that do not.
func (c *Client) decided(says string, votes []ballot, lookAgain func(*node)) {
	if c.quorum == 1 {
		return
	}
	for _, v := range votes {
		switch {
		case v.err != nil:
		case v.says != says:
			lookAgain(v.node)
		case v.node.agreed(c.now()):
			c.log.Info("chain node agrees with the others again", "node", v.node.name)
		}
	}
}
