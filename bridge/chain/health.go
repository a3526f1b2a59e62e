package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// checkInterval is the time between two checks of the nodes.
	checkInterval = 30 * time.Second
	// maxBlocksOff is how many blocks a node may be behind or ahead of the others. The
	// nodes of a check are asked at slightly different times.
	maxBlocksOff = 10
	// maxBlockAge is how old a node's latest block may be. A block takes 6 s, but an
	// upgrade of the chain stops it for some minutes.
	maxBlockAge = 15 * time.Minute
	// maxClockDrift is how far a node's latest block may be ahead of this clock.
	maxClockDrift = 30 * time.Second
)

// nodeStatus is what a node reports of itself. Fields that it does not report are zero.
type nodeStatus struct {
	chainID string
	height  int64
	time    time.Time // of the latest block
	syncing bool
	asked   time.Time // when it reported this
}

// Start begins the checks before the first query does, if the options ask for them.
func (c *Client) Start() {
	if !c.checks || !c.started.CompareAndSwap(false, true) {
		return
	}
	if c.light != nil {
		c.background(c.keepTrust)
	}
	c.background(func() {
		timer := time.NewTicker(checkInterval)
		defer timer.Stop()
		for {
			c.check()
			select {
			case <-timer.C:
			case <-c.closed.Done():
				return
			}
		}
	})
}

// Ready returns nil if as many nodes as the quorum answer, are of the right chain, and
// are in sync.
func (c *Client) Ready(ctx context.Context) error {
	_, err := share(ctx, c, "ready", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.askReady(ctx)
	})
	return err
}

func (c *Client) askReady(ctx context.Context) error {
	if c.light != nil {
		_, err := c.header(ctx)
		return err
	}
	const ready = "ready"
	nodes, leftOut := c.candidates(c.now())
	for _, b := range leftOut {
		nodes = append(nodes, b.node) // it may have recovered
	}
	votes := poll(ctx, c, question[struct{}]{ready, func(ctx context.Context, n *node, _ int64) (answer[struct{}], error) {
		s, err := n.api.status(ctx, c.http, n)
		if !errors.Is(ctx.Err(), context.Canceled) { // the others were faster, which says nothing of it
			c.report(n, s, err)
		}
		if err != nil {
			return answer[struct{}]{}, err
		}
		if why := n.leftOut(c.now()); why != nil {
			return answer[struct{}]{says: why.Error()}, nil
		}
		return answer[struct{}]{says: ready}, nil
	}}, nodes, 0, c.quorum)
	passed := 0
	var causes []error
	for _, v := range votes {
		switch {
		case v.err != nil:
			causes = append(causes, v.err)
		case v.says != ready:
			causes = append(causes, errors.New(v.says))
		default:
			passed++
		}
	}
	switch {
	case passed >= c.quorum:
		return nil
	case len(c.nodes) == 1:
		return unavailable(causes)
	}
	return c.unavailable(passed, "are ready", causes)
}

// healthy returns how many nodes passed their last check.
func (c *Client) healthy() int {
	count, now := 0, c.now()
	for _, n := range c.nodes {
		if n.lastStatus() != nil && n.leftOut(now) == nil {
			count++
		}
	}
	return count
}

// check asks all nodes for their status and judges them.
func (c *Client) check() {
	ctx, cancel := context.WithTimeout(c.closed, nodeTimeout)
	defer cancel()
	var checks sync.WaitGroup
	for _, n := range c.nodes {
		checks.Go(func() {
			s, err := n.api.status(ctx, c.http, n)
			c.report(n, s, err)
			n.firstCheck.Do(func() { close(n.checked) })
		})
	}
	checks.Wait()
	c.compareHeights()
}

// report records a node's status, or that there is none, and judges it. A node without a
// status keeps its verdict: if it does not answer questions either, that is found out soon.
func (c *Client) report(n *node, s nodeStatus, err error) {
	s.asked = c.now()
	n.mu.Lock()
	n.status = nil
	if err == nil {
		n.status = &s
	}
	n.mu.Unlock()

	c.judging.Lock()
	defer c.judging.Unlock()
	mixed := c.learnChainID()
	for _, n := range c.nodes { // the id that has just been learned may be another's
		if s := n.lastStatus(); s != nil {
			c.judge(n, &n.off, s.wrong(cmp.Or(c.chainID, c.learned), mixed))
		}
	}
}

// compareHeights leaves out nodes whose height is not that of the others. It runs when all
// have just reported theirs, since they grow.
func (c *Client) compareHeights() {
	if c.light != nil {
		return // one node could make the others look wrong, and what is true is verified
	}
	c.judging.Lock()
	defer c.judging.Unlock()
	var heights []int64
	reported := map[*node]int64{}
	for _, n := range c.nodes {
		if s := n.lastStatus(); s != nil && s.height > 0 && n.off == nil {
			heights = append(heights, s.height)
			reported[n] = s.height
		}
	}
	// The height that as many nodes as the quorum have reached. Fewer cannot make the
	// others look wrong by reporting another one.
	var usual int64
	if len(heights) > 1 && len(heights) >= c.quorum {
		slices.Sort(heights)
		usual = heights[len(heights)-c.quorum]
	}
	for _, n := range c.nodes {
		var err error
		if height, ok := reported[n]; ok && usual > 0 && max(height-usual, usual-height) > maxBlocksOff {
			err = fmt.Errorf("its height is %d and that of the others %d", height, usual)
		}
		c.judge(n, &n.distant, err)
	}
}

// judge sets one of a node's two verdicts, and logs if the node is left out from now on,
// or is asked again.
func (c *Client) judge(n *node, verdict *error, err error) {
	n.mu.Lock()
	before := cmp.Or(n.off, n.distant)
	*verdict = err
	after := cmp.Or(n.off, n.distant)
	n.mu.Unlock()
	switch {
	case before == nil && after != nil:
		c.log.Warn("chain node is left out", "node", n.name, "error", after)
	case before != nil && after == nil:
		c.log.Info("chain node is asked again", "node", n.name)
	}
}

// lastStatus returns the node's status of its last check; nil if that failed.
func (n *node) lastStatus() *nodeStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

// afterFirstCheck waits for the first check of a node, which runs while it is asked the
// first question, and returns an error if the check leaves it out.
func (c *Client) afterFirstCheck(ctx context.Context, n *node) error {
	if !c.started.Load() {
		return nil
	}
	timer := time.NewTimer(firstCheckGrace)
	defer timer.Stop()
	select {
	case <-n.checked:
	case <-timer.C:
	case <-ctx.Done():
		return n.describe(ctx.Err())
	}
	return n.leftOut(c.now())
}

// learnChainID learns the chain's id from the nodes if it is not configured. It returns
// the ids if no majority is of one chain.
func (c *Client) learnChainID() (mixed []string) {
	if c.chainID != "" || c.learned != "" {
		return nil
	}
	if c.light != nil { // the trusted header has it
		if h := c.light.Newest(); h != nil {
			c.learned = h.ChainID
		}
		return nil
	}
	count := map[string]int{}
	known := 0
	for _, n := range c.nodes {
		if s := n.lastStatus(); s != nil && s.chainID != "" {
			count[s.chainID]++
			known++
		}
	}
	ids := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), strings.Compare(a, b))
	})
	switch {
	case len(ids) == 0:
	case count[ids[0]] >= c.quorum && 2*count[ids[0]] > len(c.nodes):
		c.learned = ids[0]
		c.log.Info("most chain nodes are of this chain, and others are not asked", "id", printable(c.learned))
	case len(ids) > 1 && known == len(c.nodes):
		return ids
	}
	return nil
}

// wrong returns why a node with this status is left out, whatever the heights of others;
// nil if it is not.
func (s nodeStatus) wrong(chainID string, mixed []string) error {
	switch age := s.asked.Sub(s.time); {
	case s.syncing:
		return errors.New("it is catching up with the chain")
	case s.chainID != "" && chainID != "" && s.chainID != chainID:
		return fmt.Errorf("it is a node of the chain %s, not of %s", quoted(s.chainID), quoted(chainID))
	case s.chainID != "" && len(mixed) > 0:
		return fmt.Errorf("it is a node of the chain %s and others are not: set --chain-id", quoted(s.chainID))
	case s.time.IsZero():
		return nil
	case age > maxBlockAge:
		return fmt.Errorf("its latest block is %s old: the node or the chain has stopped, or this machine's clock is wrong", age.Round(time.Second))
	case -age > maxClockDrift:
		return fmt.Errorf("its latest block is %s ahead of this machine's clock: one of the two clocks is wrong", -age.Round(time.Second))
	}
	return nil
}
