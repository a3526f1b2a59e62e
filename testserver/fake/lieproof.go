package fake

import (
	"bytes"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"akash-provider-web/testserver/fake/comet"
	"akash-provider-web/testserver/fake/ics23"
)

// ops returns a lie about the proofs of the records that are forged.
func ops(change func(q *storeQuery, ops []proofOp) []proofOp) func(*liar, *storeQuery) {
	return func(l *liar, q *storeQuery) {
		if q.answer.ProofOps == nil || !l.asks(q.store, q.key) {
			return
		}
		q.answer.ProofOps = &proofOps{change(q, slices.Clone(q.answer.ProofOps.Ops))}
	}
}

// entry returns a lie about the first proof: the value's in its store. The one that the
// change gets is valid in the forged state.
func entry(change func(q *storeQuery, e *ics23.Existence)) func(*liar, *storeQuery) {
	return ops(func(q *storeQuery, ops []proofOp) []proofOp {
		proof, ok := q.at.state.tree(q.store).Prove(q.key)
		if !ok || proof.Exist == nil {
			return ops
		}
		forged := *proof.Exist
		change(q, &forged)
		ops[0].Data = ics23.Proof{Exist: &forged}.Marshal()
		return ops
	})
}

// absence returns a lie that a key has no value.
func absence(make func(q *storeQuery) *ics23.Absence) func(*liar, *storeQuery) {
	return ops(func(q *storeQuery, ops []proofOp) []proofOp {
		if made := make(q); made != nil {
			q.answer.Value = nil
			ops[0].Data = ics23.Proof{NonExist: made}.Marshal()
		}
		return ops
	})
}

// proofLies have forged values with proofs that do not prove them. The headers are true.
var proofLies = map[ChainLie]lie{
	"proof-of-forged-state": {
		text: "proofs are valid for a state that no header has", records: everything,
		query: ops(func(q *storeQuery, _ []proofOp) []proofOp { return q.at.state.prove(q.store, q.key).Ops }),
	},
	"proof-of-forged-store": {
		text: "the first proof is valid for a store's root that the second one does not have", records: everything,
		query: ops(func(q *storeQuery, ops []proofOp) []proofOp {
			ops[0] = q.at.state.prove(q.store, q.key).Ops[0]
			return ops
		}),
	},
	"proof-of-old-height": {
		text: "value and proof are of an old height, and the answer says that they are of the new one", records: forgery{stolen: true},
		query: func(l *liar, q *storeQuery) { l.old(q) },
	},
	"proof-of-old-height-named": {
		text: "value and proof are of an old height, and the answer says so", records: forgery{stolen: true},
		query: func(l *liar, q *storeQuery) {
			if old := l.old(q); old != nil {
				q.answer.Height = comet.Int(old.Header.Height)
			}
		},
	},
	"proof-for-another-key": {
		text: "the proof is that of another key", records: everything,
		query: ops(func(q *storeQuery, ops []proofOp) []proofOp {
			if other := otherKey(q); other != nil {
				return q.at.proven().prove(q.store, other).Ops
			}
			return ops
		}),
	},
	"proof-for-another-key-renamed": {
		text: "the proof is that of another key, and says that it is of the one asked for", records: everything,
		query: ops(func(q *storeQuery, ops []proofOp) []proofOp {
			if other := otherKey(q); other != nil {
				ops = q.at.proven().prove(q.store, other).Ops
				ops[0].Key = q.key
			}
			return ops
		}),
	},
	"proof-of-another-store":         {text: "the forged value is in another store, where anybody may write, and the proof is that store's", records: everything, plants: true, query: planted(false)},
	"proof-of-another-store-renamed": {text: "the forged value is in another store, and the proof says that it is of the one asked for", records: everything, plants: true, query: planted(true)},
	"proof-null": {
		text: "there is no proof", records: everything,
		query: func(_ *liar, q *storeQuery) { q.answer.ProofOps = nil },
	},
	"proof-empty":        {text: "there are no proof operations", records: everything, query: ops(func(*storeQuery, []proofOp) []proofOp { return []proofOp{} })},
	"proof-data-empty":   {text: "proofs have no bytes", records: everything, query: each(func(op *proofOp) { op.Data = nil })},
	"proof-truncated":    {text: "proofs are cut in half", records: everything, query: each(func(op *proofOp) { op.Data = op.Data[:len(op.Data)/2] })},
	"proof-garbage":      {text: "proofs are bytes without meaning", records: everything, query: each(func(op *proofOp) { op.Data = bytes.Repeat([]byte{0xff}, 100) })},
	"proof-oversized":    {text: "proofs have eight million bytes of a field that nobody knows", records: everything, query: each(func(op *proofOp) { op.Data = append(op.Data, unknownField(8<<20)...) })},
	"proof-type-unknown": {text: "proofs are of a type that nobody knows", records: everything, query: each(func(op *proofOp) { op.Type = "simple:v" })},
	"proof-types-swapped": {
		text: "each proof has the type of the other", records: everything,
		query: ops(func(q *storeQuery, _ []proofOp) []proofOp {
			ops := q.at.state.prove(q.store, q.key).Ops
			ops[0].Type, ops[1].Type = ops[1].Type, ops[0].Type
			return ops
		}),
	},
	"proof-without-store": {text: "the proof of the store is missing", records: everything, query: ops(func(q *storeQuery, _ []proofOp) []proofOp { return q.at.state.prove(q.store, q.key).Ops[:1] })},
	"proof-without-entry": {text: "only the proof of the store is there", records: everything, query: ops(func(_ *storeQuery, ops []proofOp) []proofOp { return ops[1:] })},
	"proof-reversed": {
		text: "the proofs are in the wrong order", records: everything,
		query: ops(func(_ *storeQuery, ops []proofOp) []proofOp { slices.Reverse(ops); return ops }),
	},
	"proof-first-ignored": {
		text: "true proofs of the state's root follow those of a forged one", records: everything,
		query: ops(func(q *storeQuery, ops []proofOp) []proofOp {
			return append(q.at.state.prove(q.store, q.key).Ops, ops...)
		}),
	},
	"proof-too-many": {
		text: "there are ten thousand proofs", records: everything,
		query: ops(func(_ *storeQuery, ops []proofOp) []proofOp { return slices.Repeat(ops, 5000) }),
	},
	"leaf-not-hashed": {
		text: "the leaf's operation does not hash, so that the leaf is whatever it says", records: everything,
		query: entry(func(q *storeQuery, e *ics23.Existence) {
			e.Leaf.Hash, e.Leaf.PrehashValue = ics23.NoHash, ics23.NoHash
			e.Leaf.Prefix, e.Path = q.at.proven().tree(q.store).Hash(), nil
		}),
	},
	"leaf-value-not-hashed": {
		text: "the leaf's operation takes the value without its hash", records: everything,
		query: entry(func(_ *storeQuery, e *ics23.Existence) { e.Leaf.PrehashValue = ics23.NoHash }),
	},
	"leaf-as-inner": {
		text: "the leaf's prefix is that of an inner node of the true tree", records: everything,
		query: entry(func(q *storeQuery, e *ics23.Existence) {
			proof, _ := q.at.proven().tree(q.store).Prove(q.key)
			if honest := neighbor(proof); honest != nil && len(honest.Path) > 0 {
				last := honest.Path[len(honest.Path)-1]
				e.Leaf.Prefix, e.Path = last.Prefix, []ics23.Inner{last}
			}
		}),
	},
	"path-empty": {
		text: "the path to the root is empty", records: everything,
		query: entry(func(_ *storeQuery, e *ics23.Existence) { e.Path = nil }),
	},
	"path-endless": {
		text: "the path to the root has a hundred thousand steps", records: everything,
		query: entry(func(_ *storeQuery, e *ics23.Existence) {
			e.Path = slices.Repeat([]ics23.Inner{{Hash: ics23.SHA256, Prefix: []byte{2, 4, 6, 8, 32}, Suffix: append([]byte{32}, make([]byte, 32)...)}}, 100_000)
		}),
	},
	"path-not-hashed": {
		text: "the path's last step does not hash, and its prefix is the true root", records: everything,
		query: entry(func(q *storeQuery, e *ics23.Existence) {
			e.Path = append(slices.Clone(e.Path), ics23.Inner{Hash: ics23.NoHash, Prefix: q.at.proven().tree(q.store).Hash()})
		}),
	},
	"path-prefix-long": {
		text: "the path's prefixes have more than a sibling", records: everything,
		query: entry(func(_ *storeQuery, e *ics23.Existence) {
			e.Path = slices.Clone(e.Path)
			for i, n := range e.Path {
				e.Path[i].Prefix = append(slices.Clone(n.Prefix), make([]byte, 33)...)
			}
		}),
	},
	"path-of-true-tree": {
		text: "the forged leaf has the path of the true one", records: everything,
		query: entry(func(q *storeQuery, e *ics23.Existence) {
			proof, _ := q.at.proven().tree(q.store).Prove(q.key)
			if honest := neighbor(proof); honest != nil {
				e.Path, e.Leaf = honest.Path, honest.Leaf
			}
		}),
	},
	"proof-batch":      {text: "the proof is in a batch", records: everything, query: wrapped(3)},
	"proof-compressed": {text: "the proof is in a compressed batch that has none", records: everything, query: wrapped(4)},
	"absence-of-present": {
		text: "a key is said to be absent between the first and the last one",
		query: absence(func(q *storeQuery) *ics23.Absence {
			keys := q.at.state.tree(q.store).Keys()
			return &ics23.Absence{Key: q.key, Left: exist(q, keys[0]), Right: exist(q, keys[len(keys)-1])}
		}),
	},
	"absence-beyond-last": {
		text: "a key is said to be absent after one that is not the last",
		query: absence(func(q *storeQuery) *ics23.Absence {
			return &ics23.Absence{Key: q.key, Left: exist(q, q.at.state.tree(q.store).Keys()[0])}
		}),
	},
	"absence-before-first": {
		text: "a key is said to be absent before one that is not the first",
		query: absence(func(q *storeQuery) *ics23.Absence {
			keys := q.at.state.tree(q.store).Keys()
			return &ics23.Absence{Key: q.key, Right: exist(q, keys[len(keys)-1])}
		}),
	},
	"absence-without-neighbors": {
		text:  "a key is said to be absent, and no neighbor shows it",
		query: absence(func(q *storeQuery) *ics23.Absence { return &ics23.Absence{Key: q.key} }),
	},
	"absence-of-another-key": {
		text: "the proof of absence is that of another key",
		query: absence(func(q *storeQuery) *ics23.Absence {
			proof, _ := q.at.proven().tree(q.store).Prove(append(slices.Clone(q.key), 0))
			return proof.NonExist
		}),
	},
	"absence-with-value": {
		text: "a forged value comes with the proof of its absence", records: everything,
		query: ops(func(q *storeQuery, ops []proofOp) []proofOp {
			proof, _ := q.at.proven().tree(q.store).Prove(append(slices.Clone(q.key), 0))
			ops[0].Data = proof.Marshal()
			return ops
		}),
	},
	"presence-as-absence": {
		text: "a value is left out and its true proof is there",
		query: ops(func(q *storeQuery, ops []proofOp) []proofOp {
			q.answer.Value = nil
			return ops
		}),
	},
}

// each changes each proof operation of a proof that is valid for the forged state.
func each(change func(op *proofOp)) func(*liar, *storeQuery) {
	return ops(func(q *storeQuery, _ []proofOp) []proofOp {
		ops := q.at.state.prove(q.store, q.key).Ops
		for i := range ops {
			change(&ops[i])
		}
		return ops
	})
}

// old answers from the state of an old block, which it returns.
func (l *liar) old(q *storeQuery) *block {
	truth := l.node.chain.now()
	if !l.asks(q.store, q.key) || len(truth.blocks) <= oldest {
		return nil
	}
	at := truth.blocks[oldest]
	q.answer.Value, _ = at.state.tree(q.store).Get(q.key)
	q.answer.ProofOps = at.state.prove(q.store, q.key)
	return at
}

// otherKey returns another key of the true store, nil if there is none.
func otherKey(q *storeQuery) []byte {
	for _, key := range q.at.proven().tree(q.store).Keys() {
		if !bytes.Equal(key, q.key) {
			return key
		}
	}
	return nil
}

// exist returns the true proof of a key.
func exist(q *storeQuery, key []byte) *ics23.Existence {
	proof, _ := q.at.proven().tree(q.store).Prove(key)
	return proof.Exist
}

// neighbor returns a proof of existence that is part of a proof.
func neighbor(p ics23.Proof) *ics23.Existence {
	switch {
	case p.Exist != nil:
		return p.Exist
	case p.NonExist == nil:
		return nil
	case p.NonExist.Left != nil:
		return p.NonExist.Left
	}
	return p.NonExist.Right
}

// plantStore is the store where the impostor may write what it likes.
const plantStore = "audit"

// planted proves a forged value by the same key of another store, where it is, on the true
// chain.
func planted(renamed bool) func(*liar, *storeQuery) {
	return ops(func(q *storeQuery, ops []proofOp) []proofOp {
		at := q.at.proven()
		value, ok := at.tree(plantStore).Get(q.key)
		if !ok {
			return ops
		}
		q.answer.Value = value
		planted := at.prove(plantStore, q.key).Ops
		if renamed {
			planted[1].Key = []byte(q.store)
		}
		return planted
	})
}

// plant writes the forged entries of all stores into the one where anybody may write.
func (l *liar) plant() {
	_, changes := l.apply(l.node.chain.now().latest().state.records)
	for i := range changes {
		changes[i].store = plantStore
	}
	l.node.chain.ledger.plant(changes)
}

// wrapped puts the proof into a field of CommitmentProof for many proofs.
func wrapped(field protowire.Number) func(*liar, *storeQuery) {
	return ops(func(q *storeQuery, _ []proofOp) []proofOp {
		ops := q.at.state.prove(q.store, q.key).Ops
		// BatchProof.entries, whose entries have the fields of CommitmentProof.
		batch := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), ops[0].Data)
		ops[0].Data = protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), batch)
		return ops
	})
}

// unknownField returns a field that CommitmentProof does not have.
func unknownField(size int) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, 77, protowire.BytesType), make([]byte, size))
}
