package fake

import (
	"akash-provider-web/testserver/fake/comet"
)

// at returns the block that a call asks for, the latest one if it does not say.
func (n *chainNode) at(v view, p rpcParams) (*block, *rpcError) {
	height, err := p.integer("height")
	switch {
	case err != nil:
		return nil, invalidParams(err)
	case height == nil:
		return v.latest(), nil
	}
	if err := v.heightError(*height, v.height()); err != nil {
		return nil, internalError(err)
	}
	return v.block(*height), nil
}

// commit returns a block's header and its signatures.
func (n *chainNode) commit(p rpcParams) (any, *rpcError) {
	v := n.view()
	b, err := n.at(v, p)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"signed_header": map[string]any{"header": b.Header.JSON(), "commit": b.Commit.JSON()},
		// The signatures of the latest block are those that this node has seen. The next
		// block decides which are the chain's.
		"canonical": b != v.latest(),
	}, nil
}

// header returns a block's header.
func (n *chainNode) header(p rpcParams) (any, *rpcError) {
	b, err := n.at(n.view(), p)
	if err != nil {
		return nil, err
	}
	return map[string]any{"header": b.Header.JSON()}, nil
}

// block returns a block, which has no transactions.
func (n *chainNode) block(p rpcParams) (any, *rpcError) {
	b, err := n.at(n.view(), p)
	if err != nil {
		return nil, err
	}
	var last comet.CommitJSON
	if b.LastCommit != nil {
		last = b.LastCommit.JSON()
	}
	return map[string]any{
		"block_id": b.Header.ID().JSON(),
		"block": map[string]any{
			"header":      b.Header.JSON(),
			"data":        map[string]any{"txs": []string{}},
			"evidence":    map[string]any{"evidence": []string{}},
			"last_commit": last,
		},
	}, nil
}

// The limits of a page of validators.
const (
	defaultValidators = 30
	maxValidators     = 100
)

// validators returns a page of the validator set of a height, which is also known for the
// next block.
func (n *chainNode) validators(p rpcParams) (any, *rpcError) {
	v := n.view()
	height := v.height() + 1
	given, err := p.integer("height")
	if err != nil {
		return nil, invalidParams(err)
	}
	if given != nil {
		if err := v.heightError(*given, height); err != nil {
			return nil, internalError(err)
		}
		height = *given
	}
	all := v.validators(height).JSON(height)
	page, perPage, failed := pages(p, len(all))
	if failed != nil {
		return nil, failed
	}
	start := (page - 1) * perPage
	part := all[start:min(start+perPage, len(all))]
	return map[string]any{
		"block_height": comet.Int(height),
		"validators":   part,
		"count":        comet.Int(len(part)),
		"total":        comet.Int(len(all)),
	}, nil
}
