package fake

import (
	"strings"

	"akash-provider-web/testserver/fake/comet"
	"akash-provider-web/testserver/fake/ics23"
)

// queryResult is the result of abci_query (proto/akash-provider-api.md, section 5.1).
type queryResult struct {
	Response queryResponse `json:"response"`
}

type queryResponse struct {
	Code      uint32    `json:"code"`
	Log       string    `json:"log"`
	Info      string    `json:"info"`
	Index     string    `json:"index"`
	Key       []byte    `json:"key"`
	Value     []byte    `json:"value"`
	ProofOps  *proofOps `json:"proofOps"`
	Height    comet.Int `json:"height"`
	Codespace string    `json:"codespace"`
}

// proofOps proves a value: first that its store has it, then that the chain's state has
// that store.
type proofOps struct {
	Ops []proofOp `json:"ops"`
}

type proofOp struct {
	Type string `json:"type"`
	Key  []byte `json:"key"`
	Data []byte `json:"data"` // a CommitmentProof
}

// The types of proofs.
const (
	proofIAVL   = "ics23:iavl"
	proofSimple = "ics23:simple"
)

// query answers abci_query.
func (n *chainNode) query(p rpcParams) (any, *rpcError) {
	path, err := p.text("path")
	if err != nil {
		return nil, invalidParams(err)
	}
	data, err := p.bytes("data")
	if err != nil {
		return nil, invalidParams(err)
	}
	height, err := p.integer("height")
	if err != nil {
		return nil, invalidParams(err)
	}
	prove, err := p.truth("prove")
	if err != nil {
		return nil, invalidParams(err)
	}
	if height == nil {
		height = new(int64)
	}
	answer, refused := n.answer(n.view(), path, data, *height, prove)
	if refused != nil {
		answer = &queryResponse{Code: refused.code, Log: refused.log, Codespace: "sdk"}
	}
	answer.Index = "0"
	return queryResult{*answer}, nil
}

// answer answers a query at a height, 0 is the latest.
func (n *chainNode) answer(v view, path string, data []byte, height int64, prove bool) (*queryResponse, *abciError) {
	if height < 0 {
		return nil, &abciError{abciInvalidRequest, "cannot query with height < 0; please provide a valid height: invalid request"}
	}
	if height == 0 {
		height = v.height()
	}
	at := v.block(height)
	if name, ok := strings.CutPrefix(path, "/store/"); ok {
		return n.queryStore(at, name, data, height, prove)
	}
	if at == nil {
		return nil, &abciError{abciInvalidRequest, "failed to load state at height: version does not exist: invalid request"}
	}
	value, refused := at.state.records.query(path, data, &n.faults)
	if refused != nil {
		return nil, refused
	}
	return &queryResponse{Value: value, Height: comet.Int(height)}, nil
}

// queryStore answers a query of a store's entry after a block, which is nil if the node
// does not have its state.
func (n *chainNode) queryStore(at *block, path string, key []byte, height int64, prove bool) (*queryResponse, *abciError) {
	name, method, _ := strings.Cut(path, "/")
	if _, ok := storeIndex(name); !ok {
		return nil, &abciError{abciUnknownRequest, "no such store: " + name + ": unknown request"}
	}
	if method != "key" {
		return nil, &abciError{abciUnknownRequest, "unexpected query path: /" + method + ": unknown request"}
	}
	if len(key) == 0 {
		return nil, &abciError{abciUnknownRequest, "query cannot be zero length: tx parse error"}
	}
	if at == nil {
		if prove {
			return nil, &abciError{abciInvalidRequest, "proof is unexpectedly empty; ensure height has not been pruned: invalid request"}
		}
		return &queryResponse{Key: key, Log: "version does not exist", Height: comet.Int(height)}, nil
	}
	value, _ := at.state.tree(name).Get(key)
	answer := &queryResponse{Key: key, Value: value, Height: comet.Int(height)}
	if prove {
		answer.ProofOps = at.proven().prove(name, key)
	}
	if told := n.told(); told != nil && told.query != nil {
		told.query(told, &storeQuery{store: name, key: key, at: at, answer: answer})
	}
	return answer, nil
}

// prove returns the proof of a store's entry, or of its absence.
func (s *state) prove(store string, key []byte) *proofOps {
	entry, ok := s.tree(store).Prove(key)
	if !ok {
		return nil
	}
	return &proofOps{[]proofOp{
		{proofIAVL, key, entry.Marshal()},
		{proofSimple, []byte(store), ics23.Proof{Exist: comet.ProveStore(s.roots(), store)}.Marshal()},
	}}
}
