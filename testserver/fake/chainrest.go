package fake

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	certv1 "akash-provider-web/proto/akash/cert/v1"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	marketv1beta5 "akash-provider-web/proto/akash/market/v1beta5"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	authv1beta1 "akash-provider-web/proto/cosmos/auth/v1beta1"
	queryv1beta1 "akash-provider-web/proto/cosmos/base/query/v1beta1"
	secp256k1pb "akash-provider-web/proto/cosmos/crypto/secp256k1"
)

// gatewayError is the body of an error of the chain's REST API.
type gatewayError struct {
	Code    int    `json:"code"` // gRPC
	Message string `json:"message"`
	Details []any  `json:"details"`
}

// gatewayCodes maps ABCI codes to gRPC codes and HTTP statuses.
var gatewayCodes = map[uint32]struct{ code, status int }{
	abciUnknownRequest: {12, http.StatusNotImplemented},
	abciInvalidRequest: {3, http.StatusBadRequest},
	abciNotFound:       {5, http.StatusNotFound},
}

// isRESTRoute reports whether a path is one of the chain's REST API.
func isRESTRoute(path string) bool {
	return strings.HasPrefix(path, "/akash/") || strings.HasPrefix(path, "/cosmos/")
}

// rest answers a GET of the chain's REST API, which asks the same queries as the RPC and
// has other paths and JSON.
func (n *chainNode) rest(w http.ResponseWriter, r *http.Request) {
	if n.faults.has(FaultChainGarbage) {
		io.WriteString(w, `{"provider":{"owner":"akash1`)
		return
	}
	if r.URL.Path == "/cosmos/base/tendermint/v1beta1/syncing" {
		json.NewEncoder(w).Encode(map[string]bool{"syncing": n.faults.has(FaultChainSyncing)})
		return
	}
	if v, ok := n.restBlocks(r); ok {
		json.NewEncoder(w).Encode(n.shown("rest", v))
		return
	}
	v, refused := n.restView(r)
	var answer any
	if refused == nil {
		answer, refused = n.restQuery(r, v)
	}
	if refused == nil {
		w.Header().Set("Grpc-Metadata-X-Cosmos-Block-Height", strconv.FormatInt(v.Header.Height, 10))
		json.NewEncoder(w).Encode(n.shown("rest", answer))
		return
	}
	as := gatewayCodes[refused.code]
	w.WriteHeader(as.status)
	json.NewEncoder(w).Encode(gatewayError{as.code, refused.log, []any{}})
}

// restView returns the block whose state answers a request: the latest, or that of the
// height in a header.
func (n *chainNode) restView(r *http.Request) (*block, *abciError) {
	v := n.view()
	text := r.Header.Get("X-Cosmos-Block-Height")
	if text == "" {
		return v.latest(), nil
	}
	height, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, &abciError{abciInvalidRequest, err.Error()}
	}
	if at := v.block(height); at != nil {
		return at, nil
	}
	return nil, &abciError{abciInvalidRequest, "failed to load state at height " + text + ": version does not exist: invalid request"}
}

// restQuery returns the answer to a request as JSON.
func (n *chainNode) restQuery(r *http.Request, at *block) (any, *abciError) {
	unknown := &abciError{abciUnknownRequest, "Not Implemented"}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if len(parts) < 4 {
		return nil, unknown
	}
	service, version, route := parts[0]+"."+parts[1]+"."+parts[2]+".Query/", parts[2], parts[3:]
	page, err := pageRequest(r)
	if err != nil {
		return nil, err
	}
	switch list := parts[1] + "/" + route[0]; {
	case list == "provider/providers" && len(route) == 2:
		var answer providerv1beta4.QueryProviderResponse
		if err := n.ask(at, service+"Provider", &providerv1beta4.QueryProviderRequest{Owner: route[1]}, &answer); err != nil {
			return nil, err
		}
		return map[string]any{"provider": providerJSON(answer.GetProvider())}, nil
	case list == "provider/providers" && len(route) == 1:
		var answer providerv1beta4.QueryProvidersResponse
		if err := n.ask(at, service+"Providers", &providerv1beta4.QueryProvidersRequest{Pagination: page}, &answer); err != nil {
			return nil, err
		}
		providers := make([]any, 0, len(answer.GetProviders()))
		for _, p := range answer.GetProviders() {
			providers = append(providers, providerJSON(p))
		}
		return map[string]any{"providers": providers, "pagination": pageJSON(answer.GetPagination())}, nil
	case list == "cert/certificates" && len(route) == 2 && route[1] == "list":
		query := r.URL.Query()
		var answer certv1.QueryCertificatesResponse
		if err := n.ask(at, service+"Certificates", &certv1.QueryCertificatesRequest{
			Filter: &certv1.CertificateFilter{
				Owner:  query.Get("filter.owner"),
				Serial: query.Get("filter.serial"),
				State:  query.Get("filter.state"),
			},
			Pagination: page,
		}, &answer); err != nil {
			return nil, err
		}
		certificates := make([]any, 0, len(answer.GetCertificates()))
		for _, c := range answer.GetCertificates() {
			certificates = append(certificates, map[string]any{
				"certificate": map[string]any{
					"state":  c.GetCertificate().GetState().String(),
					"cert":   c.GetCertificate().GetCert(),
					"pubkey": c.GetCertificate().GetPubkey(),
				},
				"serial": c.GetSerial(),
			})
		}
		return map[string]any{"certificates": certificates, "pagination": pageJSON(answer.GetPagination())}, nil
	case list == "market/leases" && len(route) == 2 && route[1] == "list":
		query := r.URL.Query()
		var answer marketv1beta5.QueryLeasesResponse
		if err := n.ask(at, service+"Leases", &marketv1beta5.QueryLeasesRequest{
			Filters:    &marketv1.LeaseFilters{Owner: query.Get("filters.owner"), State: query.Get("filters.state")},
			Pagination: page,
		}, &answer); err != nil {
			return nil, err
		}
		leases := make([]any, 0, len(answer.GetLeases()))
		for _, l := range answer.GetLeases() {
			leases = append(leases, leaseJSON(l.GetLease()))
		}
		return map[string]any{"leases": leases, "pagination": pageJSON(answer.GetPagination())}, nil
	case list == "auth/accounts" && version == "v1beta1" && len(route) == 2:
		var answer authv1beta1.QueryAccountResponse
		if err := n.ask(at, service+"Account", &authv1beta1.QueryAccountRequest{Address: route[1]}, &answer); err != nil {
			return nil, err
		}
		return map[string]any{"account": accountJSON(answer.GetAccount())}, nil
	}
	return nil, unknown
}

// ask queries the records after a block by the full name of a gRPC method.
func (n *chainNode) ask(at *block, method string, request, answer proto.Message) *abciError {
	data, err := proto.Marshal(request)
	if err != nil {
		panic(err) // cannot happen for this package's messages
	}
	value, refused := at.state.records.query(method, data, &n.faults)
	if refused != nil {
		return refused
	}
	return decode(value, answer)
}

// pageRequest reads the pagination of a query.
func pageRequest(r *http.Request) (*queryv1beta1.PageRequest, *abciError) {
	query := r.URL.Query()
	page := &queryv1beta1.PageRequest{CountTotal: query.Get("pagination.count_total") == "true", Reverse: query.Get("pagination.reverse") == "true"}
	for name, field := range map[string]*uint64{"pagination.limit": &page.Limit, "pagination.offset": &page.Offset} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		number, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, &abciError{abciInvalidRequest, err.Error()}
		}
		*field = number
	}
	key, err := base64.StdEncoding.DecodeString(query.Get("pagination.key"))
	if err != nil {
		return nil, &abciError{abciInvalidRequest, err.Error()}
	}
	page.Key = key
	return page, nil
}

func pageJSON(p *queryv1beta1.PageResponse) any {
	page := map[string]any{"next_key": nil, "total": strconv.FormatUint(p.GetTotal(), 10)}
	if len(p.GetNextKey()) > 0 {
		page["next_key"] = p.GetNextKey()
	}
	return page
}

func providerJSON(p *providerv1beta4.Provider) any {
	attributes := make([]any, 0, len(p.GetAttributes()))
	for _, a := range p.GetAttributes() {
		attributes = append(attributes, map[string]string{"key": a.GetKey(), "value": a.GetValue()})
	}
	return map[string]any{
		"owner":      p.GetOwner(),
		"host_uri":   p.GetHostUri(),
		"attributes": attributes,
		"info":       map[string]string{"email": p.GetInfo().GetEmail(), "website": p.GetInfo().GetWebsite()},
	}
}

func accountJSON(packed *anypb.Any) any {
	var base authv1beta1.BaseAccount
	if err := proto.Unmarshal(packed.GetValue(), &base); err != nil {
		panic(err) // cannot happen: this package packed it
	}
	account := map[string]any{
		"@type":          packed.GetTypeUrl(),
		"address":        base.GetAddress(),
		"pub_key":        nil,
		"account_number": strconv.FormatUint(base.GetAccountNumber(), 10),
		"sequence":       strconv.FormatUint(base.GetSequence(), 10),
	}
	if base.GetPubKey() != nil {
		var key secp256k1pb.PubKey
		if err := proto.Unmarshal(base.GetPubKey().GetValue(), &key); err != nil {
			panic(err) // cannot happen: this package packed it
		}
		account["pub_key"] = map[string]any{"@type": base.GetPubKey().GetTypeUrl(), "key": key.GetKey()}
	}
	return account
}
