package provider

import (
	"errors"
	"hash/maphash"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/bech32"
	"akash-provider-web/bridge/rpcerror"
)

const addressPrefix = "akash"

// CheckAddress validates an address as bech32 (BIP 173), so that a mistyped address is
// reported as such before the chain is queried. Its error is an *rpcerror.Error.
func CheckAddress(address string) error {
	if address == "" {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedAddress, "no provider address was given")
	}
	slot := &checked[maphash.String(checkedSeed, address)%uint64(len(checked))]
	if last := slot.Load(); last != nil && *last == address {
		return nil
	}
	_, err := bech32.Decode(addressPrefix, address)
	switch {
	case errors.Is(err, bech32.ErrChecksum):
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedAddress,
			"%q is not an Akash address: its checksum is wrong, so a character of it is mistyped", address)
	case err != nil:
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedAddress,
			"%q is not an Akash address; one looks like akash1… and has 44 characters", clip(address, 80))
	}
	// A copy, as the address may be part of a longer text.
	known := strings.Clone(address)
	slot.Store(&known)
	return nil
}

// checked has valid addresses that were checked lately. A bridge is asked for the same few
// hundred providers again and again.
var (
	checked     [256]atomic.Pointer[string]
	checkedSeed = maphash.MakeSeed()
)

// clip shortens untrusted text for an error message.
func clip(text string, limit int) string {
	if len(text) > limit {
		return text[:limit] + "…"
	}
	return text
}
