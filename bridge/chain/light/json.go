package light

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// HexBytes are bytes in hexadecimal in JSON, in upper case, as CometBFT writes them.
type HexBytes []byte

func (h HexBytes) String() string { return strings.ToUpper(hex.EncodeToString(h)) }

// MarshalText implements [encoding.TextMarshaler].
func (h HexBytes) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *HexBytes) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	*h = decoded
	return err
}

// DecodeCommit decodes the result of the RPC's commit.
func DecodeCommit(result []byte) (*SignedHeader, error) {
	var commit struct {
		SignedHeader *struct {
			Header *Header `json:"header"`
			Commit *Commit `json:"commit"`
		} `json:"signed_header"`
	}
	if err := json.Unmarshal(result, &commit); err != nil {
		return nil, errors.New("light: the commit cannot be decoded")
	}
	s := commit.SignedHeader
	if s == nil || s.Header == nil || s.Commit == nil {
		return nil, errors.New("light: the answer has no header or no commit")
	}
	return &SignedHeader{*s.Header, *s.Commit}, nil
}

// DecodeValidators decodes the result of the RPC's validators, one page of a set, and
// the size of the whole set.
func DecodeValidators(result []byte) (page []Validator, total int, err error) {
	var validators struct {
		Validators []Validator `json:"validators"`
		Total      int         `json:"total,string"`
	}
	if err := json.Unmarshal(result, &validators); err != nil {
		return nil, 0, errors.New("light: the validators cannot be decoded")
	}
	if n := len(validators.Validators); n == 0 || n > validators.Total || validators.Total > maxValidators {
		return nil, 0, fmt.Errorf("light: the answer has %d of %d validators", n, validators.Total)
	}
	return validators.Validators, validators.Total, nil
}
