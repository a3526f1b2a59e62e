package fake

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/btcsuite/btcd/btcutil/bech32"

	"akash-provider-web/testserver/fake/comet"
)

// restBlocks answers the requests of the REST API about blocks and the node: the latest
// block, that of a height, and node_info. Their JSON is that of protobuf: hashes are
// base64.
func (n *chainNode) restBlocks(r *http.Request) (any, bool) {
	route, ok := strings.CutPrefix(r.URL.Path, "/cosmos/base/tendermint/v1beta1/")
	if !ok {
		return nil, false
	}
	v := n.view()
	switch route {
	case "node_info":
		return n.restNodeInfo(), true
	case "blocks/latest":
		return restBlock(v.latest()), true
	}
	text, ok := strings.CutPrefix(route, "blocks/")
	height, err := strconv.ParseInt(text, 10, 64)
	if at := v.block(height); ok && err == nil && at != nil {
		return restBlock(at), true
	}
	return nil, false
}

func (n *chainNode) restNodeInfo() any {
	return map[string]any{
		"default_node_info": map[string]any{
			"protocol_version": map[string]string{"p2p": "8", "block": "11", "app": "0"},
			"default_node_id":  nodeID,
			"listen_addr":      "tcp://0.0.0.0:26656",
			"network":          n.chain.id,
			"version":          cometVersion,
			"channels":         "QCAhIiMwOGBhAA==",
			"moniker":          "fake",
			"other":            map[string]string{"tx_index": "on", "rpc_address": "tcp://127.0.0.1:26657"},
		},
		"application_version": map[string]any{
			"name": "akash", "app_name": "akash", "version": "2.1.0", "git_commit": "", "build_tags": "",
			"go_version": "", "build_deps": []string{}, "cosmos_sdk_version": "v0.53.7",
		},
	}
}

// restBlock returns a block, which the SDK sends twice: as CometBFT has it, and with the
// proposer as a bech32 address.
func restBlock(b *block) any {
	return map[string]any{
		"block_id":  restBlockID(b.Header.ID()),
		"block":     restBlockBody(b, b.Header.ProposerAddress),
		"sdk_block": restBlockBody(b, consensusAddress(b.Header.ProposerAddress)),
	}
}

func restBlockBody(b *block, proposer any) any {
	h := b.Header
	body := map[string]any{
		"header": map[string]any{
			"version":              map[string]string{"block": "11", "app": "0"},
			"chain_id":             h.ChainID,
			"height":               comet.Int(h.Height),
			"time":                 comet.Time(h.Time),
			"last_block_id":        restBlockID(h.LastBlockID),
			"last_commit_hash":     h.LastCommit,
			"data_hash":            h.Data,
			"validators_hash":      h.Validators,
			"next_validators_hash": h.NextValidators,
			"consensus_hash":       h.Consensus,
			"app_hash":             h.App,
			"last_results_hash":    h.LastResults,
			"evidence_hash":        h.Evidence,
			"proposer_address":     proposer,
		},
		"data":     map[string]any{"txs": []string{}},
		"evidence": map[string]any{"evidence": []string{}},
	}
	if b.LastCommit != nil {
		body["last_commit"] = restCommit(b.LastCommit)
	}
	return body
}

func restBlockID(id comet.BlockID) any {
	return map[string]any{
		"hash":            id.Hash,
		"part_set_header": map[string]any{"total": id.Parts.Total, "hash": id.Parts.Hash},
	}
}

// restFlags are the names of flags in protobuf's JSON.
var restFlags = map[comet.Flag]string{
	comet.FlagAbsent: "BLOCK_ID_FLAG_ABSENT",
	comet.FlagCommit: "BLOCK_ID_FLAG_COMMIT",
	comet.FlagNil:    "BLOCK_ID_FLAG_NIL",
}

func restCommit(c *comet.Commit) any {
	signatures := make([]any, len(c.Signatures))
	for i, s := range c.Signatures {
		signatures[i] = map[string]any{
			"block_id_flag":     restFlags[s.Flag],
			"validator_address": s.Address,
			"timestamp":         comet.Time(s.Time),
			"signature":         s.Signature,
		}
	}
	return map[string]any{
		"height": comet.Int(c.Height), "round": c.Round, "block_id": restBlockID(c.BlockID), "signatures": signatures,
	}
}

// consensusAddress returns the bech32 form of a validator's address.
func consensusAddress(raw []byte) string {
	words, err := bech32.ConvertBits(raw, 8, 5, true)
	if err != nil {
		panic(err) // cannot happen for 20 bytes
	}
	text, err := bech32.Encode(addressPrefix+"valcons", words)
	if err != nil {
		panic(err) // cannot happen with a lower-case prefix
	}
	return text
}
