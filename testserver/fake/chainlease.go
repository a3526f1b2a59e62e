package fake

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	marketv1beta5 "akash-provider-web/proto/akash/market/v1beta5"
	basev1beta1 "akash-provider-web/proto/cosmos/base/v1beta1"
)

// maxPlantedLeases bounds the leases that one control request records.
const maxPlantedLeases = 1000

// leaseRecord is a lease's record on the chain.
func leaseRecord(l Lease, state marketv1.Lease_State) *marketv1.Lease {
	record := &marketv1.Lease{
		Id:        &marketv1.LeaseID{Owner: l.Owner, Dseq: l.DSeq, Gseq: l.GSeq, Oseq: l.OSeq, Provider: l.Provider},
		State:     state,
		Price:     &basev1beta1.DecCoin{Denom: "uakt", Amount: "750000000000000000"}, // 0.75
		CreatedAt: int64(l.DSeq) + 10,
	}
	if state == marketv1.Lease_closed || state == marketv1.Lease_insufficient_funds {
		record.ClosedOn = record.CreatedAt + 1000
	}
	return record
}

// lease records a lease, or changes it.
func (l *ledger) lease(record *marketv1.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records.lease(record)
	l.pending = append(l.pending, leaseChange(record))
}

// lease adds or replaces a lease.
func (r *records) lease(record *marketv1.Lease) {
	i, found := slices.BinarySearchFunc(r.leases, record.GetId(), func(l *marketv1.Lease, id *marketv1.LeaseID) int {
		return compareLeases(l.GetId(), id)
	})
	if found {
		r.leases[i] = record
		return
	}
	r.leases = slices.Insert(r.leases, i, record)
}

// compareLeases orders leases as their store does.
func compareLeases(a, b *marketv1.LeaseID) int {
	return cmp.Or(
		strings.Compare(a.GetOwner(), b.GetOwner()),
		cmp.Compare(a.GetDseq(), b.GetDseq()),
		cmp.Compare(a.GetGseq(), b.GetGseq()),
		cmp.Compare(a.GetOseq(), b.GetOseq()),
		strings.Compare(a.GetProvider(), b.GetProvider()))
}

// queryLeases answers akash.market.v1beta5.Query/Leases (the node's
// x/market/keeper/grpc_query.go).
func (r *records) queryLeases(data []byte, f *faults) (proto.Message, *abciError) {
	var q marketv1beta5.QueryLeasesRequest
	if err := decode(data, &q); err != nil {
		return nil, err
	}
	filter := q.GetFilters()
	if filter.GetOwner() != "" && !isAddress(filter.GetOwner()) {
		return nil, &abciError{abciInvalidRequest,
			"rpc error: code = InvalidArgument desc = invalid address: invalid request"}
	}
	state, known := marketv1.Lease_State_value[filter.GetState()]
	if filter.GetState() != "" && (!known || state == 0) {
		return nil, &abciError{abciInvalidRequest,
			"rpc error: code = InvalidArgument desc = invalid state value: invalid request"}
	}
	var found []*marketv1beta5.QueryLeaseResponse
	for _, l := range r.leases {
		id := l.GetId()
		if filter.GetOwner() != "" && filter.GetOwner() != id.GetOwner() ||
			filter.GetDseq() != 0 && filter.GetDseq() != id.GetDseq() ||
			filter.GetProvider() != "" && filter.GetProvider() != id.GetProvider() ||
			state != 0 && marketv1.Lease_State(state) != l.GetState() {
			continue
		}
		found = append(found, &marketv1beta5.QueryLeaseResponse{Lease: l})
	}
	page, next, err := paginate(f, found, q.GetPagination())
	if err != nil {
		return nil, err
	}
	return &marketv1beta5.QueryLeasesResponse{Leases: page, Pagination: next}, nil
}

func leaseJSON(l *marketv1.Lease) any {
	id := l.GetId()
	amount := l.GetPrice().GetAmount()
	if n := len(amount); n < 19 {
		amount = strings.Repeat("0", 19-n) + amount
	}
	return map[string]any{"lease": map[string]any{
		"id": map[string]any{
			"owner": id.GetOwner(), "dseq": strconv.FormatUint(id.GetDseq(), 10), "gseq": id.GetGseq(), "oseq": id.GetOseq(),
			"provider": id.GetProvider(), "bseq": id.GetBseq(),
		},
		"state":      l.GetState().String(),
		"price":      map[string]any{"denom": l.GetPrice().GetDenom(), "amount": amount[:len(amount)-18] + "." + amount[len(amount)-18:]},
		"created_at": strconv.FormatInt(l.GetCreatedAt(), 10),
		"closed_on":  strconv.FormatInt(l.GetClosedOn(), 10),
	}}
}

// recordLeases answers POST /lease?state=&dseq=&count=: it records the state of the
// provider's lease on the chain or, with dseq, those of other leases of the tenant there,
// count of them with consecutive numbers. What the provider runs stays as it is.
func (s *Server) recordLeases(r *http.Request, p *provider) error {
	query := r.URL.Query()
	state, ok := marketv1.Lease_State_value[cmp.Or(query.Get("state"), "active")]
	if !ok || state == 0 {
		return fmt.Errorf("state %q: want active, insufficient_funds, closed or reclaiming", query.Get("state"))
	}
	lease, count := p.work.lease, 1
	if text := query.Get("dseq"); text != "" {
		var err error
		if lease.DSeq, err = strconv.ParseUint(text, 10, 64); err != nil {
			return fmt.Errorf("dseq %q: want a number", text)
		}
		count, err = strconv.Atoi(cmp.Or(query.Get("count"), "1"))
		if err != nil || count < 1 || count > maxPlantedLeases {
			return fmt.Errorf("count %q: want 1 to %d", query.Get("count"), maxPlantedLeases)
		}
	}
	for range count {
		s.ledger.lease(leaseRecord(lease, marketv1.Lease_State(state)))
		lease.DSeq++
	}
	return nil
}

// leaseLies are about the tenant's leases.
var leaseLies = map[ChainLie]lie{
	"lease-left-out": {text: "the tenant's leases are not there", records: forgery{leases: leaveOut}},
	"lease-added":    {text: "the tenant has a lease at the impostor's account", records: forgery{leases: add}},
	"lease-altered":  {text: "the tenant's leases are of another price", records: forgery{leases: alter}},
	"lease-closed":   {text: "the tenant's leases are closed", records: forgery{leases: closeAll}},
}

// forgeLeases is what is wrong in the records of the tenant's leases.
type forgeLeases int

const (
	leaveOut forgeLeases = iota + 1
	add
	alter
	closeAll
)

// apply changes the records, and returns the changes of the stores.
func (f forgeLeases) apply(l *liar, r *records) (changes []change) {
	tenant := l.node.server.tenant.address
	if f == add {
		record := leaseRecord(Lease{Owner: tenant, DSeq: 99_000_000, GSeq: 1, OSeq: 1, Provider: l.node.server.stranger.address}, marketv1.Lease_active)
		r.lease(record)
		return []change{leaseChange(record)}
	}
	kept := r.leases[:0:0]
	for _, one := range r.leases {
		if one.GetId().GetOwner() != tenant {
			kept = append(kept, one)
			continue
		}
		forged := proto.CloneOf(one)
		switch f {
		case leaveOut:
			changes = append(changes, change{storeMarket, leaseKey(one.GetId()), nil})
			continue
		case alter:
			forged.Price.Amount = "1" + strings.Repeat("0", 18)
		case closeAll:
			forged.State, forged.ClosedOn = marketv1.Lease_closed, forged.GetCreatedAt()+1
		}
		kept = append(kept, forged)
		changes = append(changes, leaseChange(forged))
	}
	r.leases = kept
	return changes
}
