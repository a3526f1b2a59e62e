package light

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxPeriod bounds a trusting period. Akash's stakes stay bonded for 21 days.
const maxPeriod = 21 * 24 * time.Hour

// Trust is the header that the operator trusts, from which all others are verified.
type Trust struct {
	Height int64
	Hash   HexBytes
	Period time.Duration
}

// ParseTrust parses HEIGHT:HASH or HEIGHT:HASH:PERIOD. The hash is the block's, in
// hexadecimal. The period is a duration such as 336h or 14d; the default is
// DefaultPeriod.
func ParseTrust(text string) (Trust, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 2 && len(parts) != 3 {
		return Trust{}, errors.New("want HEIGHT:HASH or HEIGHT:HASH:PERIOD")
	}
	t := Trust{Period: DefaultPeriod}
	var err error
	if t.Height, err = strconv.ParseInt(parts[0], 10, 64); err != nil || t.Height < 1 {
		return Trust{}, fmt.Errorf("%q is not a block's height", parts[0])
	}
	if t.Hash, err = hex.DecodeString(parts[1]); err != nil || len(t.Hash) != hashSize {
		return Trust{}, fmt.Errorf("%q is not a block's hash of 64 hexadecimal digits", parts[1])
	}
	if len(parts) == 3 {
		if t.Period, err = parsePeriod(parts[2]); err != nil {
			return Trust{}, err
		}
	}
	return t, nil
}

func parsePeriod(text string) (time.Duration, error) {
	period, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 8)
		period = time.Duration(n) * 24 * time.Hour
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a period such as 14d or 336h", text)
	case period < time.Hour || period >= maxPeriod:
		return 0, fmt.Errorf("the period is %q: want at least an hour, and less than the %d days for which stakes stay bonded", text, maxPeriod/(24*time.Hour))
	}
	return period, nil
}

// String returns the form that ParseTrust parses.
func (t Trust) String() string { return fmt.Sprintf("%d:%s:%s", t.Height, t.Hash, t.Period) }

// equal reports whether two headers are the same, whatever the period.
func (t Trust) equal(other Trust) bool {
	return t.Height == other.Height && bytes.Equal(t.Hash, other.Hash)
}
