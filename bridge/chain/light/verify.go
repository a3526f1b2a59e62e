// Package light verifies headers of a CometBFT chain as a light client: from a header
// that the operator trusts to later ones, by the signatures of the validators.
//
// It follows CometBFT 0.38 (light, types; spec/light-client/verification), which Akash's
// fork of it leaves as it is. Keys of validators must be Ed25519. Headers before the
// trusted one are not verified.
//
// The package sends no requests: see [Source]. It imports nothing that WebAssembly
// would have to pay for.
package light

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

const (
	// DefaultPeriod is the default trusting period. It must be shorter than the time
	// for which validators' stakes stay bonded, in which they can be punished: on Akash
	// 21 days. Two thirds of that leave time to punish.
	DefaultPeriod = 14 * 24 * time.Hour
	// ClockDrift is how far a header's time may be ahead of this clock.
	ClockDrift = 10 * time.Second
)

// Block is a header with its commit and the validators of its height.
type Block struct {
	SignedHeader
	Validators *ValidatorSet
}

// NewBlock checks that the parts belong together, and their form. It verifies no
// signatures.
func NewBlock(s *SignedHeader, set *ValidatorSet) (*Block, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("light: %w", err)
	}
	if !bytes.Equal(s.Header.ValidatorsHash, set.Hash()) {
		return nil, errors.New("light: the validators are not those of the header")
	}
	return &Block{*s, set}, nil
}

// ErrNotEnoughTrust means that too few of the trusted validators signed a header: the
// set changed by too much in between, and a header in between has to be verified first.
var ErrNotEnoughTrust = errors.New("light: a third of the trusted validators' power or less signed the header")

// errAhead means that a header is of the future, or that this clock is wrong.
var errAhead = errors.New("light: the header's time is ahead of this clock, so one of the two is wrong")

// ExpiredError means that the trusted header is older than the trusting period. Its
// validators may have withdrawn their stakes, so their signatures prove nothing any
// more, and the operator has to find a newer header to trust.
type ExpiredError struct {
	Height int64
	Time   time.Time // of the header
	Period time.Duration
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("light: the newest trusted header (height %d) is of %s, longer ago than the trusting period of %s",
		e.Height, e.Time.UTC().Format(time.RFC3339), e.Period)
}

// Verify verifies a block from a trusted block of a lower height, both made by
// [NewBlock]. It returns an *[ExpiredError] if the trusted one is too old,
// [ErrNotEnoughTrust] if there must be another block in between, and other errors if the
// block is invalid.
//
// If the block is the next one, its validators must be those that the trusted header
// names, and more than two thirds of them by power must have signed. Otherwise more than
// a third of the trusted validators must have signed, too: at least one of them is
// correct.
func Verify(trusted, block *Block, period time.Duration, now time.Time) error {
	old, h := &trusted.Header, &block.Header
	if h.ChainID != old.ChainID {
		return fmt.Errorf("light: the header is of the chain %q, not %q", h.ChainID, old.ChainID)
	}
	if err := trusted.expired(period, now); err != nil {
		return err
	}
	switch {
	case h.Height <= old.Height:
		return fmt.Errorf("light: the header's height %d is not above the trusted one's, %d", h.Height, old.Height)
	case !h.Time.After(old.Time):
		return fmt.Errorf("light: the header's time, %s, is not after the trusted one's", h.Time.UTC().Format(time.RFC3339))
	case !h.Time.Before(now.Add(ClockDrift)):
		return fmt.Errorf("%w: the header is of %s, and this clock says %s", errAhead, h.Time.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if h.Height == old.Height+1 {
		if !bytes.Equal(h.ValidatorsHash, old.NextValidatorsHash) {
			return errors.New("light: the header's validators are not those that the trusted header names")
		}
	} else if err := block.Commit.verifyTrusted(h.ChainID, trusted.Validators); err == errPower {
		return ErrNotEnoughTrust
	} else if err != nil {
		return fmt.Errorf("light: %w", err)
	}
	// This comes last: the set may be of any size, but for the limit.
	if err := block.Commit.verifyOwn(h.ChainID, block.Validators); err != nil {
		return fmt.Errorf("light: %w", err)
	}
	return nil
}

// expired returns an *ExpiredError if the block is too old to be trusted.
func (b *Block) expired(period time.Duration, now time.Time) error {
	if b.Header.Time.Add(period).After(now) {
		return nil
	}
	return &ExpiredError{b.Header.Height, b.Header.Time, period}
}
