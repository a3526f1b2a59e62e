package chain

import (
	"crypto/sha256"
	"fmt"
	"strconv"
)

// Trust says how an answer of the chain is known, as in the akash-trust response header.
type Trust string

const (
	// OneNode means that one node gave the answer and was believed.
	OneNode Trust = "one-node"
	// Proven means that the answer was proven from a header that the operator trusts.
	Proven Trust = "proven"
)

// quorumOf returns the Trust of an answer that equal nodes of all that are configured
// gave, such as "quorum=2/3".
func quorumOf(equal, all int) Trust {
	if equal < 2 {
		return OneNode
	}
	return Trust(fmt.Sprintf("quorum=%d/%d", equal, all))
}

// answer is what a node says.
type answer[V any] struct {
	value V
	// says is the part of value that decides trust. Nodes agree if it is equal. It
	// appears in the log and in errors, so it is short and printable.
	says string
	// height is the block after which this was the chain's state; 0 if the node does
	// not say.
	height int64
}

// host is a provider's host URI. found is false if the chain has no record of the
// provider.
type host struct {
	uri   string
	found bool
}

func hostAt(uri string, height int64) answer[host] {
	return answer[host]{host{uri, true}, "host URI " + quoted(uri), height}
}

func noHost(height int64) answer[host] { return answer[host]{says: "no record", height: height} }

func certificateAt(c Certificate, height int64) answer[Certificate] {
	says := "no certificate"
	switch c.State {
	case Valid:
		says = fmt.Sprintf("valid certificate with SHA-256 %x", sha256.Sum256(c.PEM))
	case Revoked:
		says = "revoked certificate"
	}
	return answer[Certificate]{c, says, height}
}

// quoted quotes a node's text for a message. A long one ends in its hash, so that two
// different texts remain different.
func quoted(text string) string {
	const limit = 200
	if len(text) > limit {
		return fmt.Sprintf("%s… (%d bytes, SHA-256 %x)", strconv.QuoteToASCII(text[:limit]), len(text), sha256.Sum256([]byte(text)))
	}
	return strconv.QuoteToASCII(text)
}
