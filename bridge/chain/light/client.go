package light

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"akash-provider-web/bridge/internal/happyeyeballs"
)

const (
	// maxFetched bounds the headers that are fetched between the trusted one and a new
	// one. Where validators change slowly, none is.
	maxFetched = 128
	// grace is how long a refresh waits for the other sources when enough have the same
	// header: their headers can only show a fork.
	grace = time.Second
	// slow is how long one source may take to verify its header before the next one with
	// the same header is asked for what is needed.
	slow = 700 * time.Millisecond
	// recent is how old the newest block of a source in sync may be. A block takes 6 s. So
	// it is also for how long a source can keep the client from newer blocks.
	recent = 20 * time.Second
)

// Source is a node of the chain. Its methods may be called concurrently, and return
// within their context's time. Its answers are not trusted.
type Source interface {
	// Name names the node. It contains no secrets. Errors of the other methods begin
	// with it.
	Name() string
	// Latest returns the height and time of the node's latest block.
	Latest(ctx context.Context) (Tip, error)
	// SignedHeader returns the header and commit of a height.
	SignedHeader(ctx context.Context, height int64) (*SignedHeader, error)
	// Validators returns all validators of a height.
	Validators(ctx context.Context, height int64) ([]Validator, error)
}

// Tip is what a node says that its latest block is.
type Tip struct {
	Height int64
	Time   time.Time
}

// Options configure a Client.
type Options struct {
	// Trust is where verification begins. Its zero value means the state in File.
	Trust Trust
	// File keeps the verified state, so that a restart goes on from it; "" keeps none.
	// The file is of one Trust: if the operator gives another, it is replaced.
	File string
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Rejected is called when a source's header is invalid; nil ignores it. Calls may be
	// concurrent.
	Rejected func(Source, error)
	// SaveFailed is called when File cannot be written; nil ignores it.
	SaveFailed func(error)
}

// Client is a light client: it knows the newest header that has been verified. Its
// methods may be called concurrently.
type Client struct {
	options Options

	refreshing sync.Mutex // held by a refresh

	mu      sync.Mutex
	trusted *Block // nil before the first refresh
	fork    *ForkError
}

// ForkError is evidence of a fork: two different headers of one height, both signed so
// that they are valid. At least a third of the validators' power signed both, or broke
// the protocol in another way. Nothing that either says is to be believed.
type ForkError struct {
	Height int64       `json:"height"`
	Hashes [2]HexBytes `json:"hashes"`
	Nodes  [2]string   `json:"nodes"`
	// Trusted is the height of the trusted header from which both were verified.
	Trusted int64 `json:"trusted"`
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("light: the chain has forked: at height %d, %s has the header %s and %s has %s, and validators have signed both",
		e.Height, e.Nodes[0], e.Hashes[0], e.Nodes[1], e.Hashes[1])
}

// New returns a client. It sends no requests yet. It fails if the file cannot be used,
// or has no state where no Trust is given.
func New(o Options) (*Client, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rejected == nil {
		o.Rejected = func(Source, error) {}
	}
	if o.SaveFailed == nil {
		o.SaveFailed = func(error) {}
	}
	c := &Client{options: o}
	var s *stored
	if o.File != "" {
		var err error
		if s, err = load(o.File); err != nil {
			return nil, err
		}
	}
	given := o.Trust.Height != 0
	if s == nil {
		if !given {
			return nil, errors.New("light: no trusted header is given, and there is no file with one")
		}
		return c, nil
	}
	began, err := ParseTrust(s.Trust)
	if err != nil {
		return nil, fmt.Errorf("%s is not a file with trusted headers (%w): delete it and start from a header that you trust", o.File, err)
	}
	if given && !began.equal(o.Trust) {
		return c, nil // the operator has decided anew
	}
	if !given {
		c.options.Trust = began
	}
	if c.trusted, err = s.block(); err != nil {
		return nil, fmt.Errorf("%s is not a file with trusted headers (%w): delete it and start from a header that you trust", o.File, err)
	}
	c.fork = s.Fork
	return c, nil
}

// Continue has the client go on from what another has verified, if both began with the
// same trusted header. It is called before the first refresh.
func (c *Client) Continue(from *Client) {
	if !c.options.Trust.equal(from.options.Trust) {
		return
	}
	from.mu.Lock()
	trusted, fork := from.trusted, from.fork
	from.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if trusted != nil && (c.trusted == nil || trusted.Header.Height > c.trusted.Header.Height) {
		c.trusted = trusted
	}
	if fork != nil {
		c.trusted, c.fork = trusted, fork
	}
}

// Trust returns where the verification began.
func (c *Client) Trust() Trust { return c.options.Trust }

// Newest returns the newest verified header, however old it is; nil if there is none yet.
func (c *Client) Newest() *Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trusted == nil {
		return nil
	}
	return &c.trusted.Header
}

// Fork returns the fork that was seen, or nil.
func (c *Client) Fork() *ForkError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fork
}

// Header returns the newest verified header; nil if there is none yet. It returns a
// *[ForkError] after a fork was seen, and an *[ExpiredError] if the header is older than
// the trusting period.
func (c *Client) Header() (*Header, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fork != nil:
		return nil, c.fork
	case c.trusted == nil:
		return nil, nil
	}
	return &c.trusted.Header, c.trusted.expired(c.options.Trust.Period, c.options.Now())
}

// Refresh verifies a newer header and returns it: the newest that all sources in sync
// have. As many of them as are needed must have the same one. If there is no newer one, it
// returns the newest verified one: the caller decides whether it is new enough.
//
// If sources have different headers, each is verified. If more than one is valid, the
// chain has forked: Refresh returns a *[ForkError], now and from then on. All sources in
// sync are compared, since otherwise one that is a block ahead could show what it wants to
// whoever stole enough keys.
func (c *Client) Refresh(ctx context.Context, sources []Source, needed int) (*Header, error) {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	trusted, err := c.begin(ctx, sources)
	if err != nil {
		return nil, err
	}
	tips, failed := c.latest(ctx, sources, needed)
	behind := false // sources were left out because they are behind, not because they failed
	for {
		var asked []Source
		for _, s := range c.inSync(tips, needed) {
			if tips[s].Height <= trusted.Header.Height && !c.isRecent(trusted.Header.Time) {
				// It says that it is in sync, and is not.
				delete(tips, s)
				behind = true
				continue
			}
			asked = append(asked, s)
		}
		if len(asked) < needed {
			if behind {
				return &trusted.Header, nil
			}
			return nil, fmt.Errorf("light: %d of %d nodes have a valid header, and %d are needed: %w", len(asked), len(sources), needed, joined(failed))
		}
		target := tips[slices.MinFunc(asked, func(a, b Source) int { return cmp.Compare(tips[a].Height, tips[b].Height) })].Height
		if target <= trusted.Header.Height {
			return &trusted.Header, nil
		}
		headers, errs := c.headers(ctx, asked, target, needed)
		block, err := c.choose(ctx, trusted, headers, needed)
		if err != nil {
			return nil, err
		}
		if block != nil {
			c.adopt(block)
			if c.isRecent(block.Header.Time) {
				return &block.Header, nil
			}
			trusted = block // others may have newer ones
			continue
		}
		// Go on without the sources that have no valid header. Those that are slow or
		// have failed are not asked again either.
		for _, s := range asked {
			if h := headers[s]; h == nil || h.err != nil {
				delete(tips, s)
			}
		}
		for _, h := range headers {
			if h.err != nil {
				errs = append(errs, h.err)
			}
		}
		failed = append(failed, errs...)
	}
}

func (c *Client) isRecent(t time.Time) bool { return c.options.Now().Sub(t) <= recent }

// inSync returns the sources that say that their latest block is recent, or all if those
// are fewer than are needed.
func (c *Client) inSync(tips map[Source]Tip, needed int) []Source {
	all := slices.SortedFunc(maps.Keys(tips), func(a, b Source) int { return strings.Compare(a.Name(), b.Name()) })
	synced := slices.DeleteFunc(slices.Clone(all), func(s Source) bool { return !c.isRecent(tips[s].Time) })
	if len(synced) < needed {
		return all
	}
	return synced
}

// offer is a header that a source has.
type offer struct {
	source Source
	signed *SignedHeader
	hash   string
	err    error // why it is invalid or could not be verified
}

// choose verifies the headers of one height that sources have. It returns the valid one
// if enough sources have it, and nil if there is none. It sets the errors of the others.
func (c *Client) choose(ctx context.Context, trusted *Block, headers map[Source]*offer, needed int) (*Block, error) {
	byHash := map[string][]*offer{}
	for _, h := range headers {
		byHash[h.hash] = append(byHash[h.hash], h)
	}
	var mu sync.Mutex // guards failed
	failed := map[*offer]error{}
	var valid []*Block
	var by []*offer
	for _, offers := range byHash {
		slices.SortFunc(offers, func(a, b *offer) int { return strings.Compare(a.source.Name(), b.source.Name()) })
		// One of the sources is enough, whose commit and validators are right.
		block, errs := happyeyeballs.First(ctx, slow, offers, func(ctx context.Context, h *offer) (*Block, error) {
			block, err := c.verify(ctx, trusted, h)
			if err != nil && ctx.Err() == nil { // otherwise another source was faster
				mu.Lock()
				defer mu.Unlock()
				failed[h] = err
			}
			return block, err
		}, nil)
		if len(errs) == 0 {
			valid, by = append(valid, block), append(by, offers[0])
		}
	}
	mu.Lock()
	for h, err := range failed {
		h.err = err
	}
	mu.Unlock()
	switch len(valid) {
	case 0:
		return nil, ctx.Err()
	case 1:
	default:
		e := &ForkError{valid[0].Header.Height, [2]HexBytes{valid[0].Header.Hash(), valid[1].Header.Hash()}, [2]string{by[0].source.Name(), by[1].source.Name()}, trusted.Header.Height}
		if strings.Compare(e.Nodes[0], e.Nodes[1]) > 0 {
			slices.Reverse(e.Hashes[:])
			slices.Reverse(e.Nodes[:])
		}
		c.forked(e)
		return nil, e
	}
	have := 0
	for _, h := range byHash[string(valid[0].Header.Hash())] {
		if h.err == nil {
			have++
		}
	}
	if have < needed {
		return nil, nil
	}
	return valid[0], nil
}

// invalid is the error of a header that cannot be right, whatever else is.
type invalid struct{ error }

func (e invalid) Unwrap() error { return e.error }

// named has an error begin with the source's name.
func named(s Source, err error) error {
	if strings.HasPrefix(err.Error(), s.Name()) {
		return err
	}
	return fmt.Errorf("%s: %w", s.Name(), err)
}

// verify verifies a source's header from the trusted one, by headers in between of the
// same source where they are needed. If it is invalid, the source is reported.
func (c *Client) verify(ctx context.Context, trusted *Block, h *offer) (*Block, error) {
	block, err := c.bisect(ctx, trusted, h)
	if err == nil {
		return block, nil
	}
	err = named(h.source, err)
	if errors.As(err, new(invalid)) {
		c.options.Rejected(h.source, err)
	}
	return nil, err
}

func (c *Client) bisect(ctx context.Context, trusted *Block, h *offer) (*Block, error) {
	target, err := c.block(ctx, trusted, h.source, h.signed)
	if err != nil {
		return nil, err
	}
	// Headers to verify, the target first and then ever nearer to the trusted one.
	pending := []*Block{target}
	for fetched := 0; ; fetched++ {
		verified := -1
		for i, block := range pending {
			err := Verify(trusted, block, c.options.Trust.Period, c.options.Now())
			if err == nil {
				verified = i
				break
			}
			switch {
			case errors.Is(err, ErrNotEnoughTrust):
			case errors.Is(err, errAhead):
				return nil, err // it may be this clock
			default:
				return nil, invalid{err}
			}
		}
		if verified == 0 {
			return target, nil
		}
		if verified > 0 {
			trusted, pending = pending[verified], pending[:verified]
			fetched--
			continue
		}
		if fetched == maxFetched {
			return nil, fmt.Errorf("light: more than %d headers between the trusted one and the new one are needed: start from a newer header that you trust", maxFetched)
		}
		nearest := pending[len(pending)-1].Header.Height
		height := trusted.Header.Height + (nearest-trusted.Header.Height)/2
		signed, err := h.source.SignedHeader(ctx, height)
		if err != nil {
			return nil, err
		}
		if signed.Header.Height != height {
			return nil, invalid{fmt.Errorf("light: the answer is of height %d, not %d", signed.Header.Height, height)}
		}
		block, err := c.block(ctx, trusted, h.source, signed)
		if err != nil {
			return nil, err
		}
		pending = append(pending, block)
	}
}

// block adds the validators to a header. They are fetched only if they are not those of
// the trusted one, which change slowly.
func (c *Client) block(ctx context.Context, trusted *Block, s Source, signed *SignedHeader) (*Block, error) {
	set := trusted.Validators
	if !bytes.Equal(signed.Header.ValidatorsHash, set.Hash()) {
		validators, err := s.Validators(ctx, signed.Header.Height)
		if err != nil {
			return nil, err
		}
		if set, err = NewValidatorSet(validators); err != nil {
			return nil, invalid{err}
		}
	}
	block, err := NewBlock(signed, set)
	if err != nil {
		return nil, invalid{err}
	}
	return block, nil
}

// begin returns the newest trusted block, fetching the first one where there is none.
func (c *Client) begin(ctx context.Context, sources []Source) (*Block, error) {
	if header, err := c.Header(); err != nil {
		return nil, err
	} else if header != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.trusted, nil
	}
	var block *Block
	var errs []error
	gather(ctx, sources, 0, c.first, func(r reply[*Block]) bool {
		if r.err == nil {
			block = r.value
			return true
		}
		err := named(r.source, r.err)
		if errors.As(err, new(invalid)) {
			c.options.Rejected(r.source, err)
		}
		errs = append(errs, err)
		return false
	})
	if block == nil {
		return nil, fmt.Errorf("light: no node has the trusted header: %w", joined(errs))
	}
	if err := block.expired(c.options.Trust.Period, c.options.Now()); err != nil {
		return nil, err
	}
	c.adopt(block)
	return block, nil
}

// first fetches the header that the operator trusts.
func (c *Client) first(ctx context.Context, s Source) (*Block, error) {
	trust := c.options.Trust
	signed, err := s.SignedHeader(ctx, trust.Height)
	if err != nil {
		return nil, err
	}
	if hash := signed.Header.Hash(); signed.Header.Height != trust.Height || !bytes.Equal(hash, trust.Hash) {
		return nil, invalid{fmt.Errorf("light: it has the header %s at height %d, not the trusted one: the node or the trusted hash is wrong", hash, trust.Height)}
	}
	validators, err := s.Validators(ctx, trust.Height)
	if err != nil {
		return nil, err
	}
	set, err := NewValidatorSet(validators)
	if err != nil {
		return nil, invalid{err}
	}
	block, err := NewBlock(signed, set)
	if err != nil {
		return nil, invalid{err}
	}
	if err := block.Commit.verifyOwn(block.Header.ChainID, set); err != nil {
		return nil, invalid{fmt.Errorf("light: %w", err)}
	}
	return block, nil
}

// adopt trusts a verified block.
func (c *Client) adopt(b *Block) {
	c.mu.Lock()
	c.trusted = b
	c.mu.Unlock()
	c.save()
}

// forked records a fork.
func (c *Client) forked(e *ForkError) {
	c.mu.Lock()
	c.fork = e
	c.mu.Unlock()
	c.save()
}

func (c *Client) save() {
	if c.options.File == "" {
		return
	}
	s := stored{c.options.Trust.String(), c.trusted.Header, c.trusted.Validators.validators, c.fork}
	if err := s.save(c.options.File); err != nil {
		c.options.SaveFailed(err)
	}
}

// reply is a source's reply to a question.
type reply[V any] struct {
	source Source
	value  V
	err    error
}

// gather asks all sources at once, and passes the replies to done until all have
// replied, or for the time of patience after done has returned true.
func gather[V any](ctx context.Context, sources []Source, patience time.Duration, ask func(context.Context, Source) (V, error), done func(reply[V]) bool) {
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	replies := make(chan reply[V], len(sources))
	for _, s := range sources {
		asking.Go(func() {
			value, err := ask(ctx, s)
			replies <- reply[V]{s, value, err}
		})
	}
	var late <-chan time.Time
	for range sources {
		select {
		case r := <-replies:
			if enough := done(r); enough && patience == 0 {
				return
			} else if enough && late == nil {
				late = time.After(patience)
			}
		case <-late:
			return
		case <-ctx.Done():
			return
		}
	}
}

// latest asks sources for their latest blocks.
func (c *Client) latest(ctx context.Context, sources []Source, needed int) (tips map[Source]Tip, failed []error) {
	tips = map[Source]Tip{}
	gather(ctx, sources, grace, func(ctx context.Context, s Source) (Tip, error) { return s.Latest(ctx) }, func(r reply[Tip]) bool {
		if r.err != nil {
			failed = append(failed, r.err)
			return false
		}
		tips[r.source] = r.value
		return len(tips) >= needed
	})
	return tips, failed
}

// headers asks sources for the header of a height.
func (c *Client) headers(ctx context.Context, sources []Source, height int64, needed int) (headers map[Source]*offer, failed []error) {
	headers = map[Source]*offer{}
	equal := map[string]int{}
	gather(ctx, sources, grace, func(ctx context.Context, s Source) (*SignedHeader, error) { return s.SignedHeader(ctx, height) }, func(r reply[*SignedHeader]) bool {
		if r.err == nil && r.value.Header.Height != height {
			r.err = fmt.Errorf("%s: light: the answer is of height %d, not %d", r.source.Name(), r.value.Header.Height, height)
			c.options.Rejected(r.source, r.err)
		}
		if r.err != nil {
			failed = append(failed, r.err)
			return false
		}
		hash := string(r.value.Header.Hash())
		headers[r.source] = &offer{source: r.source, signed: r.value, hash: hash}
		equal[hash]++
		return equal[hash] >= needed
	})
	return headers, failed
}

// joined joins errors in one line.
func joined(errs []error) error {
	if len(errs) == 0 {
		return errors.New("there are no nodes to ask")
	}
	return list(errs)
}

type list []error

func (l list) Error() string {
	texts := make([]string, len(l))
	for i, err := range l {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (l list) Unwrap() []error { return l }
