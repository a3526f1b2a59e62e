package chain

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain/light"
	"akash-provider-web/bridge/chain/proof"
	"akash-provider-web/bridge/internal/bech32"
	"akash-provider-web/bridge/rpcerror"
)

const (
	// maxLeases bounds the leases of one list, which are a page each of leasesPerPage. Few
	// accounts have more than ten that are active.
	maxLeases     = 200
	leasesPerPage = 100
	// maxProofs bounds the leases of a list whose proofs a node is asked for at a time.
	maxProofs = 16
	// leasesLifetime is how long a list is cached: it limits the queries of a page that asks
	// in a loop, and is about the time of a block.
	leasesLifetime = 5 * time.Second
	// maxLists bounds the cached lists, which may have maxLeases each.
	maxLists = 64
	// maxDenom is the longest name of a denomination that a Cosmos chain has.
	maxDenom = 128
)

// leaseStates are the states of leases by name; "" stands for any.
var leaseStates = map[string]proof.LeaseState{
	"":                   0,
	"active":             proof.LeaseActive,
	"insufficient_funds": proof.LeaseInsufficientFunds,
	"closed":             proof.LeaseClosed,
	"reclaiming":         proof.LeaseReclaiming,
}

// Leases are leases of an account, the newest first.
type Leases struct {
	Leases []proof.Lease
	// More says that there are older ones, too.
	More bool
	// Height is the block whose state this was; 0 if no node said.
	Height int64
	// Trust says how each lease is known.
	Trust Trust
	// Completeness says how it is known that none is missing. It is never Proven: a node can
	// prove that a lease exists, but not that there is no other.
	Completeness Trust
}

// leaseFilter says which leases are asked for.
type leaseFilter struct {
	owner string
	state string // a key of leaseStates
}

// accepts reports whether a lease is one that the filter selects and that can be.
func (f leaseFilter) accepts(l proof.Lease) bool {
	state := leaseStates[f.state]
	_, err := bech32.Decode("akash", l.ID.Provider)
	return l.ID.Owner == f.owner && (l.State == state || state == 0) && l.State >= proof.LeaseActive && l.State <= proof.LeaseReclaiming &&
		err == nil && len(l.Denom) <= maxDenom
}

// Leases returns the leases of an account, given by its bech32 address, that have a state,
// or any if it is "". The error's reason is malformedAddress if owner is no address, and
// otherwise as for Provider.
func (c *Client) Leases(ctx context.Context, owner, state string) (Leases, error) {
	if _, err := bech32.Decode("akash", owner); err != nil {
		return Leases{}, rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedAddress, "owner is not an address of the Akash chain (akash1…)")
	}
	if _, ok := leaseStates[state]; !ok {
		return Leases{}, rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "no lease has the state %.40q: want active, insufficient_funds, closed or reclaiming, or none for all", state)
	}
	if err := c.forked(); err != nil {
		return Leases{}, err
	}
	f := leaseFilter{owner, state}
	key := "leases/" + owner + "/" + state
	if known, ok := c.lists.get(key, c.now()); ok {
		return known, nil
	}
	return share(ctx, c, key, func(ctx context.Context) (Leases, error) {
		found, err := c.askLeases(ctx, f)
		if err == nil {
			c.lists.put(key, found, c.now().Add(leasesLifetime), c.now())
		}
		return found, err
	})
}

func (c *Client) askLeases(ctx context.Context, f leaseFilter) (Leases, error) {
	if c.light != nil {
		return c.proveLeases(ctx, f)
	}
	found, trust, err := agree(ctx, c, question[Leases]{f.about(), func(ctx context.Context, n *node, height int64) (answer[Leases], error) {
		return n.api.leases(ctx, c.http, n, height, f)
	}})
	found.Trust, found.Completeness = trust, trust
	return found, err
}

func (f leaseFilter) about() string {
	if f.state == "" {
		return "leases of " + f.owner
	}
	return f.state + " leases of " + f.owner
}

// proveLeases asks as many nodes as the quorum for their lists at one height, and has each
// prove what it lists. If the lists differ all the same, some leave leases out that the others
// have proven: then all are asked, and the list has what any of them proved.
func (c *Client) proveLeases(ctx context.Context, f leaseFilter) (Leases, error) {
	at, err := c.header(ctx)
	if err != nil {
		return Leases{}, err
	}
	nodes, leftOut := c.candidates(c.now())
	votes := poll(ctx, c, question[Leases]{f.about(), func(ctx context.Context, n *node, height int64) (answer[Leases], error) {
		list, err := n.api.leases(ctx, c.http, n, height, f)
		if err == nil {
			err = c.proveListed(ctx, n, at, list.value.Leases)
		}
		if refused := (*unprovenError)(nil); errors.As(err, &refused) {
			c.refuse(n, f.about(), err)
		}
		return list, err
	}}, nodes, at.Height-1, c.quorum) // a header has the hash of the state before its block
	given := answers(votes)
	if len(given) < c.quorum {
		var causes []error
		for _, b := range append(ballots(votes), leftOut...) {
			causes = append(causes, b.error())
		}
		return Leases{}, c.unavailable(len(given), "proved the leases that they list", causes)
	}
	found := united(given)
	found.Trust = Proven
	equal := 0
	for _, v := range given {
		if says := listOf(found, 0).says; v.says == says {
			equal++
		} else if !v.value.More {
			c.refuse(v.node, f.about(), fmt.Errorf("it says %s, and others have proven %s", v.says, says))
		}
	}
	found.Completeness = quorumOf(equal, len(c.nodes))
	return found, nil
}

// proveListed has a node prove that the leases which it lists are so.
func (c *Client) proveListed(ctx context.Context, n *node, at *light.Header, listed []proof.Lease) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxProofs)
	for _, l := range listed {
		group.Go(func() error {
			key, err := proof.LeaseKey(l.ID)
			if err != nil {
				return n.describe(&unprovenError{err})
			}
			value, err := c.proveKey(ctx, n, at, proof.LeaseStore, key)
			if err != nil {
				return err
			}
			if value == nil {
				return n.describe(&unprovenError{errors.New("it lists a lease that is not there")})
			}
			proven, err := proof.DecodeLease(value)
			if proven.Amount = decimal(proven.Amount); err == nil && proven != l {
				err = errors.New("it lists a lease that is different")
			}
			if err != nil {
				return n.describe(&unprovenError{err})
			}
			return nil
		})
	}
	return group.Wait()
}

// united returns what any of the lists has, which are all about one height.
func united(votes []vote[Leases]) Leases {
	all := Leases{Height: votes[0].height}
	for _, v := range votes {
		all.Leases = append(all.Leases, v.value.Leases...)
		all.More = all.More || v.value.More
	}
	all.sort()
	all.Leases = slices.Compact(all.Leases)
	if len(all.Leases) > maxLeases {
		all.Leases, all.More = all.Leases[:maxLeases], true
	}
	return all
}

// sort puts the newest leases first.
func (l *Leases) sort() {
	slices.SortFunc(l.Leases, func(a, b proof.Lease) int {
		return cmp.Or(
			cmp.Compare(b.ID.DSeq, a.ID.DSeq),
			cmp.Compare(a.ID.GSeq, b.ID.GSeq),
			cmp.Compare(b.ID.OSeq, a.ID.OSeq),
			strings.Compare(a.ID.Provider, b.ID.Provider),
			cmp.Compare(a.ID.BSeq, b.ID.BSeq))
	})
}

// listOf returns a list as an answer at a height.
func listOf(l Leases, height int64) answer[Leases] {
	sum := sha256.New()
	for _, one := range l.Leases {
		fmt.Fprintf(sum, "%q\n", fmt.Sprint(one))
	}
	count := fmt.Sprint(len(l.Leases))
	if l.More {
		count = "more than " + count
	}
	return answer[Leases]{l, fmt.Sprintf("%s leases with SHA-256 %x", count, sum.Sum(nil)), height}
}

// Errors of lists of leases that cannot be used.
var (
	errNoLeases     = errors.New("the list of leases cannot be decoded")
	errOtherLease   = errors.New("the list has a lease that was not asked for")
	errLeaseTwice   = errors.New("the list has a lease twice")
	errOtherHeight  = errors.New("the answer is about another height than the one asked for")
	errTooManyOnOne = errors.New("the answer has more leases than were asked for")
)

// leasePages reads a node's list of leases.
func leasePages(n *node, f leaseFilter, height int64, read func(height int64, key []byte) (page[proof.Lease], error)) (answer[Leases], error) {
	var list Leases
	height, err := readPages(n, height, errNoLeases, read, func(leases []proof.Lease, more bool) (bool, error) {
		if len(leases) > leasesPerPage {
			return false, errTooManyOnOne
		}
		for _, l := range leases {
			if !f.accepts(l) {
				return false, errOtherLease
			}
		}
		list.Leases, list.More = append(list.Leases, leases...), more
		return len(list.Leases) < maxLeases, nil
	})
	if err != nil {
		return answer[Leases]{}, err
	}
	list.sort()
	for i := range list.Leases[:max(0, len(list.Leases)-1)] {
		if list.Leases[i].ID == list.Leases[i+1].ID {
			return answer[Leases]{}, n.describe(errLeaseTwice)
		}
	}
	list.Height = height
	return listOf(list, height), nil
}

// decimals is how many decimals the chain's amounts have.
const decimals = 18

// decimal returns an amount of the chain, an integer of 18 decimals, as a decimal number,
// such as "0.75" for "750000000000000000". It returns "" for what is none.
func decimal(amount string) string {
	if amount == "" || len(amount) > 80 || strings.Trim(amount, "0123456789") != "" {
		return ""
	}
	amount = strings.Repeat("0", max(0, decimals+1-len(amount))) + amount
	at := len(amount) - decimals
	return shortest(amount[:at] + "." + amount[at:])
}

// shortest returns a decimal number without zeros that say nothing; "" for what is none.
func shortest(number string) string {
	whole, fraction, _ := strings.Cut(number, ".")
	if whole+fraction == "" || len(number) > 80 || strings.Trim(whole+fraction, "0123456789") != "" {
		return ""
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	number = cmp.Or(whole, "0")
	if fraction != "" {
		number += "." + fraction
	}
	return number
}
