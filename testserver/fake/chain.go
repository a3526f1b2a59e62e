package fake

import (
	"bytes"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	attributesv1 "akash-provider-web/proto/akash/base/attributes/v1"
	certv1 "akash-provider-web/proto/akash/cert/v1"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	authv1beta1 "akash-provider-web/proto/cosmos/auth/v1beta1"
	queryv1beta1 "akash-provider-web/proto/cosmos/base/query/v1beta1"
	secp256k1pb "akash-provider-web/proto/cosmos/crypto/secp256k1"
)

// ABCI codes of the codespace "sdk" (proto/akash-provider-api.md, section 5.1).
const (
	abciUnknownRequest = 6
	abciInvalidRequest = 18
	abciNotFound       = 22
)

// defaultPage is the default number of entries per page.
const defaultPage = 100

// abciError is the chain's error for a query.
type abciError struct {
	code uint32
	log  string
}

func (e *abciError) Error() string { return e.log }

// ledger is the state of the chain as of the next block.
type ledger struct {
	mu      sync.Mutex
	records records
	pending []change // since the last block
}

// records are what the chain's queries are answered from. Those of a block do not change.
type records struct {
	providers    []*providerv1beta4.Provider     // by owner
	certificates []chainCertificate              // by owner and serial
	leases       []*marketv1.Lease               // by id
	accounts     map[string]*secp256k1.PublicKey // nil until the first transaction
}

type chainCertificate struct {
	owner  string
	serial *big.Int
	record *certv1.Certificate
}

func newLedger() *ledger {
	return &ledger{records: records{accounts: map[string]*secp256k1.PublicKey{}}}
}

// take returns the records and the changes of the stores since the last call.
func (l *ledger) take() (records, []change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changes := l.pending
	l.pending = nil
	return l.records.clone(), changes
}

// clone returns a copy.
func (r *records) clone() records {
	return records{
		providers:    slices.Clone(r.providers),
		certificates: slices.Clone(r.certificates),
		leases:       slices.Clone(r.leases),
		accounts:     maps.Clone(r.accounts),
	}
}

// plant records changes of stores that no query reads.
func (l *ledger) plant(changes []change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, changes...)
}

// changed reports whether there are changes that no block has yet.
func (l *ledger) changed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) > 0
}

// open records an account, which has a public key if it has signed a transaction.
func (l *ledger) open(a account, signed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var key *secp256k1.PublicKey
	if signed {
		key = a.key.PubKey()
	}
	l.records.accounts[a.address] = key
	l.pending = append(l.pending, accountChange(a.address, key))
}

// publicKey returns an account's public key, or nil.
func (l *ledger) publicKey(address string) *secp256k1.PublicKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records.accounts[address]
}

// register records a provider, or changes its host URI.
func (l *ledger) register(p *providerv1beta4.Provider) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records.register(p)
	l.pending = append(l.pending, providerChange(p))
}

// has reports whether a provider's record is as given.
func (l *ledger) has(record *providerv1beta4.Provider) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.records.providers, func(p *providerv1beta4.Provider) bool { return proto.Equal(p, record) })
}

// publish records an owner's certificate with a state.
func (l *ledger) publish(owner string, c *certificate, state certv1.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := chainCertificate{
		owner:  owner,
		serial: c.spec.serial,
		record: &certv1.Certificate{State: state, Cert: c.pem, Pubkey: c.pubkey},
	}
	l.records.publish(entry)
	l.pending = append(l.pending, certificateChanges(entry)...)
}

// withdraw removes an owner's certificate without a trace.
func (l *ledger) withdraw(owner string, serial *big.Int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records.certificates = slices.DeleteFunc(l.records.certificates, func(c chainCertificate) bool {
		return c.owner == owner && c.serial.Cmp(serial) == 0
	})
	l.pending = append(l.pending, certificateRemoval(owner, serial)...)
}

// register adds or replaces a provider.
func (r *records) register(p *providerv1beta4.Provider) {
	i, found := slices.BinarySearchFunc(r.providers, p.GetOwner(), func(q *providerv1beta4.Provider, owner string) int {
		return strings.Compare(q.GetOwner(), owner)
	})
	if found {
		r.providers[i] = p
		return
	}
	r.providers = slices.Insert(r.providers, i, p)
}

// publish adds or replaces a certificate.
func (r *records) publish(c chainCertificate) {
	i, found := slices.BinarySearchFunc(r.certificates, c, compareCertificates)
	if found {
		r.certificates[i] = c
		return
	}
	r.certificates = slices.Insert(r.certificates, i, c)
}

// certificate returns an owner's certificate record, or nil.
func (l *ledger) certificate(owner, serial string) *certv1.Certificate {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.records.certificates {
		if c.owner == owner && c.serial.String() == serial {
			return c.record
		}
	}
	return nil
}

func compareCertificates(a, b chainCertificate) int {
	if c := strings.Compare(a.owner, b.owner); c != 0 {
		return c
	}
	return a.serial.Cmp(b.serial)
}

// query answers an ABCI query, whose path is the full name of a gRPC method.
func (r *records) query(path string, data []byte, f *faults) ([]byte, *abciError) {
	handlers := map[string]func([]byte, *faults) (proto.Message, *abciError){
		"akash.provider.v1beta4.Query/Provider":  r.queryProvider,
		"akash.provider.v1beta4.Query/Providers": r.queryProviders,
		"akash.cert.v1.Query/Certificates":       r.queryCertificates,
		"akash.market.v1beta5.Query/Leases":      r.queryLeases,
		"cosmos.auth.v1beta1.Query/Account":      r.queryAccount,
	}
	if f.has(FaultChainOld) {
		// Before version 1.0 of the chain, the same messages had other names.
		handlers = map[string]func([]byte, *faults) (proto.Message, *abciError){
			"akash.provider.v1beta3.Query/Provider":  r.queryProvider,
			"akash.provider.v1beta3.Query/Providers": r.queryProviders,
			"akash.cert.v1beta3.Query/Certificates":  r.queryCertificates,
			"akash.market.v1beta4.Query/Leases":      r.queryLeases,
			"cosmos.auth.v1beta1.Query/Account":      r.queryAccount,
		}
	}
	handler, ok := handlers[strings.TrimPrefix(path, "/")]
	if !ok {
		return nil, &abciError{abciUnknownRequest, "unknown query path: unknown request"}
	}
	answer, refused := handler(data, f)
	if refused != nil {
		return nil, refused
	}
	value, err := proto.Marshal(answer)
	if err != nil {
		return nil, &abciError{abciUnknownRequest, err.Error()}
	}
	return value, nil
}

func (r *records) queryProvider(data []byte, _ *faults) (proto.Message, *abciError) {
	var q providerv1beta4.QueryProviderRequest
	if err := decode(data, &q); err != nil {
		return nil, err
	}
	if !isAddress(q.GetOwner()) {
		return nil, &abciError{abciInvalidRequest,
			"rpc error: code = InvalidArgument desc = invalid address: invalid request"}
	}
	for _, p := range r.providers {
		if p.GetOwner() == q.GetOwner() {
			return &providerv1beta4.QueryProviderResponse{Provider: p}, nil
		}
	}
	return nil, &abciError{abciNotFound,
		"rpc error: code = NotFound desc = invalid provider: address not found: key not found"}
}

func (r *records) queryProviders(data []byte, f *faults) (proto.Message, *abciError) {
	var q providerv1beta4.QueryProvidersRequest
	if err := decode(data, &q); err != nil {
		return nil, err
	}
	page, next, err := paginate(f, r.providers, q.GetPagination())
	if err != nil {
		return nil, err
	}
	return &providerv1beta4.QueryProvidersResponse{Providers: page, Pagination: next}, nil
}

func (r *records) queryCertificates(data []byte, f *faults) (proto.Message, *abciError) {
	var q certv1.QueryCertificatesRequest
	if err := decode(data, &q); err != nil {
		return nil, err
	}
	filter := q.GetFilter()
	if filter.GetOwner() != "" && !isAddress(filter.GetOwner()) {
		return nil, &abciError{abciInvalidRequest,
			"rpc error: code = InvalidArgument desc = invalid address: invalid request"}
	}
	if s := filter.GetState(); s != "" && s != "valid" && s != "revoked" {
		return nil, &abciError{abciInvalidRequest,
			"rpc error: code = InvalidArgument desc = invalid state value: invalid request"}
	}
	if s := filter.GetSerial(); s != "" {
		if _, ok := new(big.Int).SetString(s, 10); !ok || filter.GetOwner() == "" {
			return nil, &abciError{abciInvalidRequest,
				"rpc error: code = InvalidArgument desc = invalid serial number: invalid request"}
		}
	}
	var found []*certv1.CertificateResponse
	for _, c := range r.certificates {
		if filter.GetOwner() != "" && filter.GetOwner() != c.owner ||
			filter.GetSerial() != "" && filter.GetSerial() != c.serial.String() ||
			filter.GetState() != "" && filter.GetState() != c.record.GetState().String() {
			continue
		}
		found = append(found, &certv1.CertificateResponse{Certificate: c.record, Serial: c.serial.String()})
	}
	page, next, err := paginate(f, found, q.GetPagination())
	if err != nil {
		return nil, err
	}
	return &certv1.QueryCertificatesResponse{Certificates: page, Pagination: next}, nil
}

func (r *records) queryAccount(data []byte, _ *faults) (proto.Message, *abciError) {
	var q authv1beta1.QueryAccountRequest
	if err := decode(data, &q); err != nil {
		return nil, err
	}
	if !isAddress(q.GetAddress()) {
		return nil, &abciError{abciInvalidRequest,
			"rpc error: code = InvalidArgument desc = invalid address: invalid request"}
	}
	key, known := r.accounts[q.GetAddress()]
	if !known {
		return nil, &abciError{abciNotFound, fmt.Sprintf(
			"rpc error: code = NotFound desc = account %s not found: key not found", q.GetAddress())}
	}
	return &authv1beta1.QueryAccountResponse{Account: accountRecord(q.GetAddress(), key)}, nil
}

// accountRecord is an account's record on the chain.
func accountRecord(address string, key *secp256k1.PublicKey) *anypb.Any {
	base := &authv1beta1.BaseAccount{Address: address, AccountNumber: 1}
	if key != nil {
		base.PubKey = packed(&secp256k1pb.PubKey{Key: key.SerializeCompressed()})
		base.Sequence = 1
	}
	return packed(base)
}

// packed returns m in an Any as Cosmos does, with a type URL without a host.
func packed(m proto.Message) *anypb.Any {
	value, err := proto.Marshal(m)
	if err != nil {
		panic(err) // cannot happen for this package's messages
	}
	return &anypb.Any{TypeUrl: "/" + string(m.ProtoReflect().Descriptor().FullName()), Value: value}
}

// decode decodes a query's request.
func decode(data []byte, m proto.Message) *abciError {
	if err := proto.Unmarshal(data, m); err != nil {
		return &abciError{abciInvalidRequest, fmt.Sprintf("%v: invalid request", err)}
	}
	return nil
}

// pageKey is the prefix of this chain's page keys, which are opaque to clients.
var pageKey = []byte("page/")

// paginate returns a page of a list as Cosmos does.
func paginate[T any](f *faults, all []T, r *queryv1beta1.PageRequest) ([]T, *queryv1beta1.PageResponse, *abciError) {
	limit := r.GetLimit()
	countTotal := r.GetCountTotal()
	if limit == 0 {
		limit = defaultPage
		countTotal = true
	}
	if f.has(FaultChainPaginated) {
		limit = 1
	}
	if r.GetOffset() > 0 && len(r.GetKey()) > 0 {
		return nil, nil, &abciError{abciInvalidRequest,
			"invalid request, either offset or key is expected, got both: invalid request"}
	}
	if r.GetReverse() {
		all = slices.Clone(all)
		slices.Reverse(all)
	}
	start := r.GetOffset()
	if len(r.GetKey()) > 0 {
		text, ours := bytes.CutPrefix(r.GetKey(), pageKey)
		n, err := strconv.ParseUint(string(text), 10, 64)
		if !ours || err != nil {
			return nil, nil, &abciError{abciInvalidRequest, "invalid page key: invalid request"}
		}
		start = n
	}
	size := uint64(len(all))
	start = min(start, size)
	end := start + min(limit, size-start)
	next := &queryv1beta1.PageResponse{}
	if end < size {
		next.NextKey = strconv.AppendUint(bytes.Clone(pageKey), end, 10)
	}
	if countTotal && len(r.GetKey()) == 0 {
		next.Total = size
	}
	return all[start:end], next, nil
}

// providerRecord is a provider's record on the chain.
func providerRecord(owner, hostURI string) *providerv1beta4.Provider {
	return &providerv1beta4.Provider{
		Owner:   owner,
		HostUri: hostURI,
		Attributes: []*attributesv1.Attribute{
			{Key: "region", Value: "us-west"},
			{Key: "host", Value: "akash"},
		},
		Info: &providerv1beta4.Info{Email: "ops@example.com", Website: "https://example.com"},
	}
}
