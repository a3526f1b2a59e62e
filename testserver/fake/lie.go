package fake

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	certv1 "akash-provider-web/proto/akash/cert/v1"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
)

// ChainLie is the name of a lie that a node of the chain tells. Most lead to the
// impostor: its host and its certificate are in the first provider's records.
type ChainLie string

// ChainLieInfo describes a lie.
type ChainLieInfo struct {
	Name ChainLie `json:"name"`
	Text string   `json:"text"`
	// Collusion is set if the lie is signed by more than two thirds of the power of a set
	// that a client trusts. Then only another node can show that it is a lie.
	Collusion bool `json:"collusion,omitempty"`
}

// lie says how a node lies: in what records say, in its blocks, in the answers to queries
// of stores, in the JSON of its results, or in how it sends them.
type lie struct {
	text      string
	collusion bool
	records   forgery
	plants    bool // writes the forged records into another store of the true chain
	fork      *fork
	blocks    func(l *liar, v view) view
	query     func(l *liar, q *storeQuery)
	result    func(l *liar, method string, result map[string]any)
	serve     func(l *liar, w http.ResponseWriter, r *http.Request, usual http.Handler)
}

// forgery says what is wrong in the records of the first provider.
type forgery struct {
	host        bool // names the impostor's
	certificate bool // the impostor's own is valid
	stolen      bool // the revoked one, whose key the impostor has, is valid
	absent      bool // neither the provider nor a certificate is there
	account     bool // the tenant has another key
	leases      forgeLeases
}

// everything leads to the impostor.
var everything = forgery{host: true, certificate: true}

// lies are all lies by name.
var lies = mergeLies(recordLies, leaseLies, blockLies, setLies, proofLies, jsonLies, wireLies)

func mergeLies(parts ...map[ChainLie]lie) map[ChainLie]lie {
	all := map[ChainLie]lie{}
	for _, part := range parts {
		for name, l := range part {
			if _, twice := all[name]; twice {
				panic("two lies are named " + name)
			}
			all[name] = l
		}
	}
	return all
}

// ChainLies returns all lies, sorted by name.
func ChainLies() []ChainLieInfo {
	all := make([]ChainLieInfo, 0, len(lies))
	for name, l := range lies {
		all = append(all, ChainLieInfo{name, l.text, l.collusion})
	}
	slices.SortFunc(all, func(a, b ChainLieInfo) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return all
}

// ChainLieHelp lists the lies, one per line.
func ChainLieHelp() string {
	var b strings.Builder
	for _, l := range ChainLies() {
		fmt.Fprintf(&b, "  %-26s%s\n", l.Name, l.Text)
	}
	return b.String()
}

// liar tells a lie at a node.
type liar struct {
	lie
	name     ChainLie
	node     *chainNode
	victim   account
	impostor *provider
	since    int64 // the height at which it begins
	forger   *forger
}

// newLiar prepares a lie.
func (s *Server) newLiar(n *chainNode, name ChainLie) (*liar, error) {
	known, ok := lies[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("unknown lie %q; the lies are:\n%s", name, ChainLieHelp())
	case s.impostor == nil:
		return nil, errNoImpostor
	}
	l := &liar{lie: known, name: name, node: n, victim: s.providers[0].account, impostor: s.impostor}
	if known.records.stolen {
		s.impostor.present(s.impostor.theft.stolen)
	} else {
		s.impostor.present(s.impostor.theft.forged)
	}
	if known.plants {
		l.plant()
	}
	v := n.chain.now()
	l.since = v.height()
	l.forger = newForger(l, v)
	return l, nil
}

// view returns what the node says that the chain is.
func (l *liar) view(v view) view {
	v = l.forger.view(v)
	if l.blocks != nil {
		v = l.blocks(l, v)
	}
	return v
}

// apply returns the records with the forgery, and the changes of the stores that lead to
// them.
func (l *liar) apply(r records) (records, []change) {
	r = r.clone()
	var changes []change
	owner := l.victim.address
	publish := func(c *certificate, state certv1.State) {
		entry := chainCertificate{owner, c.spec.serial, &certv1.Certificate{State: state, Cert: c.pem, Pubkey: c.pubkey}}
		r.publish(entry)
		changes = append(changes, certificateChanges(entry)...)
	}
	f := l.records
	if f.host {
		p := providerRecord(owner, l.impostor.hostURI)
		r.register(p)
		changes = append(changes, providerChange(p))
	}
	if f.certificate {
		publish(l.impostor.theft.forged, certv1.State_valid)
	}
	if f.stolen {
		publish(l.impostor.theft.stolen, certv1.State_valid)
	}
	if f.account {
		tenant, key := l.node.server.tenant.address, l.node.server.stranger.key.PubKey()
		r.accounts[tenant] = key
		changes = append(changes, accountChange(tenant, key))
	}
	if f.leases != 0 {
		changes = append(changes, f.leases.apply(l, &r)...)
	}
	if f.absent {
		r.providers = slices.DeleteFunc(r.providers, func(p *providerv1beta4.Provider) bool { return p.GetOwner() == owner })
		changes = append(changes, change{storeProvider, providerKey(owner), nil})
		for _, c := range r.certificates {
			if c.owner == owner {
				changes = append(changes, certificateRemoval(owner, c.serial)...)
			}
		}
		r.certificates = slices.DeleteFunc(r.certificates, func(c chainCertificate) bool { return c.owner == owner })
	}
	return r, changes
}

// asks reports whether a key of a store is one that the forgery is about.
func (l *liar) asks(store string, key []byte) bool {
	raw := string(rawAddress(l.victim.address))
	return (store == storeProvider || store == storeCert) && strings.Contains(string(key), raw)
}

// storeQuery is a query of a store and its answer, for lies to change.
type storeQuery struct {
	store  string
	key    []byte
	at     *block // of the answer; nil if there is no such state
	answer *queryResponse
}

// recordLies forge records, and have nothing to prove them with but the proofs of the true
// ones.
var recordLies = map[ChainLie]lie{
	"forged-host":        {text: "the provider's record names the impostor's host", records: forgery{host: true}},
	"forged-certificate": {text: "the impostor's certificate is valid", records: forgery{certificate: true}},
	"forged-records":     {text: "host and certificate are the impostor's", records: everything},
	"forged-absence":     {text: "the provider and its certificates are not there", records: forgery{absent: true}},
	"forged-account":     {text: "the tenant's account has another key, and host and certificate are the impostor's", records: forgery{host: true, certificate: true, account: true}},
	"revoked-as-valid":   {text: "a revoked certificate, whose key was stolen, is valid", records: forgery{host: true, stolen: true}},
	"value-of-another": {
		text: "the record is another provider's, with its proof", records: everything,
		query: func(_ *liar, q *storeQuery) {
			if q.at == nil || q.store != storeProvider {
				return
			}
			for _, key := range q.at.state.tree(q.store).Keys() {
				if string(key) != string(q.key) {
					q.answer.Value, _ = q.at.state.tree(q.store).Get(key)
					q.answer.ProofOps = q.at.proven().prove(q.store, key)
				}
			}
		},
	},
	"key-of-another": {
		text: "the answer says that it is about another key", records: everything,
		query: func(_ *liar, q *storeQuery) { q.answer.Key = append([]byte{0xff}, q.answer.Key...) },
	},
	"value-empty": {
		text: "the value is empty and the proof is that of the true one", records: everything,
		query: func(_ *liar, q *storeQuery) { q.answer.Value = nil },
	},
	"value-with-suffix": {
		text: "the true value with a second host after it, which decoders prefer, and the true proof",
		query: func(l *liar, q *storeQuery) {
			if q.store == storeProvider && q.at != nil && l.asks(q.store, q.key) {
				more := &providerv1beta4.Provider{HostUri: l.impostor.hostURI}
				q.answer.Value = append(slices.Clone(q.answer.Value), marshal(more)...)
			}
		},
	},
	"code-with-value": {
		text: "a query fails, and has a value all the same", records: everything,
		result: func(_ *liar, method string, result map[string]any) {
			if response, ok := result["response"].(map[string]any); ok && method == "abci_query" {
				response["code"], response["codespace"], response["log"] = 22, "sdk", "key not found"
			}
		},
	},
	"catching-up": {
		text: "the node is catching up, and its records are forged", records: everything,
		result: func(_ *liar, _ string, result map[string]any) {
			if info, ok := result["sync_info"].(map[string]any); ok {
				info["catching_up"] = true
			}
		},
	},
	"network-of-another": {
		text: "the status is of another network", records: everything,
		result: func(_ *liar, _ string, result map[string]any) {
			for _, name := range []string{"node_info", "default_node_info"} {
				if info, ok := result[name].(map[string]any); ok {
					info["network"] = "sandbox-01"
				}
			}
		},
	},
}

// proven returns the state that proofs of the block are about.
func (b *block) proven() *state {
	if b.proof != nil {
		return b.proof
	}
	return b.state
}
