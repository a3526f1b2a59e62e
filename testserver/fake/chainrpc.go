package fake

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"akash-provider-web/testserver/fake/comet"
)

// JSON-RPC 2.0 error codes.
const (
	rpcParseError     = -32700
	rpcInvalidRequest = -32600
	rpcMethodNotFound = -32601
	rpcInvalidParams  = -32602
	rpcInternalError  = -32603
)

// maxChainRequest bounds a request's body, in bytes.
const maxChainRequest = 1 << 20

// rpcRequest is a JSON-RPC request.
type rpcRequest struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// rpcResponse is a JSON-RPC response.
type rpcResponse struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    string `json:"data"`
}

func invalidParams(err error) *rpcError {
	return &rpcError{rpcInvalidParams, "Invalid params", "error converting json params to arguments: " + err.Error()}
}

func internalError(err error) *rpcError {
	return &rpcError{rpcInternalError, "Internal error", err.Error()}
}

// rpcMethods are the methods with their parameters, which a GET names and a POST may give
// in this order.
var rpcMethods = map[string]struct {
	params []string
	call   func(*chainNode, rpcParams) (any, *rpcError)
}{
	"health":     {nil, func(*chainNode, rpcParams) (any, *rpcError) { return struct{}{}, nil }},
	"status":     {nil, (*chainNode).status},
	"abci_query": {[]string{"path", "data", "height", "prove"}, (*chainNode).query},
	"commit":     {[]string{"height"}, (*chainNode).commit},
	"header":     {[]string{"height"}, (*chainNode).header},
	"block":      {[]string{"height"}, (*chainNode).block},
	"validators": {[]string{"height", "page", "per_page"}, (*chainNode).validators},
}

// ServeHTTP implements http.Handler.
func (n *chainNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if told := n.told(); told != nil && told.serve != nil {
		told.serve(told, w, r, http.HandlerFunc(n.serve))
		return
	}
	n.serve(w, r)
}

func (n *chainNode) serve(w http.ResponseWriter, r *http.Request) {
	route := "chain " + r.URL.Path
	defer n.counters.open(r.Context(), route)()
	if delay, ok := n.faults.delay(FaultChainSlow); ok && !sleep(r.Context(), delay) {
		return
	}
	if n.faults.has(FaultChain500) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, "<html><body><h1>502 Bad Gateway</h1></body></html>")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodGet && isRESTRoute(r.URL.Path) {
		n.rest(w, r)
		return
	}
	if n.faults.has(FaultChainGarbage) {
		io.WriteString(w, `{"jsonrpc":"2.0","id":-1,"result":{"response":{"code":0,"value":"%%%"`)
		return
	}
	if r.Method == http.MethodPost {
		n.post(w, r)
		return
	}
	method, ok := rpcMethods[r.URL.Path[1:]]
	if !ok {
		http.NotFound(w, r)
		return
	}
	response := rpcResponse{JSONRPC: "2.0", ID: json.RawMessage("-1")}
	response.Result, response.Error = method.call(n, uriParams(r, method.params))
	response.Result = n.shown(r.URL.Path[1:], response.Result)
	if response.Error != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
	json.NewEncoder(w).Encode(response)
}

// post answers a JSON-RPC request or a batch of them.
func (n *chainNode) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxChainRequest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	var batch []rpcRequest
	if json.Unmarshal(body, &batch) == nil {
		responses := make([]rpcResponse, 0, len(batch))
		for _, request := range batch {
			responses = append(responses, n.call(request))
		}
		json.NewEncoder(w).Encode(responses)
		return
	}
	var request rpcRequest
	if err := json.Unmarshal(body, &request); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		json.NewEncoder(w).Encode(rpcResponse{
			JSONRPC: "2.0",
			ID:      json.RawMessage("-1"),
			Error:   &rpcError{rpcParseError, "Parse error. Invalid JSON", err.Error()},
		})
		return
	}
	json.NewEncoder(w).Encode(n.call(request))
}

// call answers one JSON-RPC request.
func (n *chainNode) call(r rpcRequest) rpcResponse {
	response := rpcResponse{JSONRPC: "2.0", ID: r.ID}
	method, ok := rpcMethods[r.Method]
	switch {
	case r.Method == "":
		response.Error = &rpcError{rpcInvalidRequest, "Invalid Request", "no method"}
	case !ok:
		response.Error = &rpcError{rpcMethodNotFound, "Method not found", ""}
	default:
		params, err := jsonParams(r.Params, method.params)
		if err != nil {
			response.Error = invalidParams(err)
			break
		}
		response.Result, response.Error = method.call(n, params)
		response.Result = n.shown(r.Method, response.Result)
	}
	return response
}

// status describes the node and its latest block.
func (n *chainNode) status(rpcParams) (any, *rpcError) {
	v := n.view()
	first, latest := v.blocks[0].Header, v.latest().Header
	key := derive(n.chain.seed, "node key")
	return map[string]any{
		"node_info": map[string]any{
			"protocol_version": map[string]string{"p2p": "8", "block": "11", "app": "0"},
			"id":               nodeID,
			"listen_addr":      "tcp://0.0.0.0:26656",
			"network":          n.chain.id,
			"version":          cometVersion,
			"channels":         "40202122233038606100",
			"moniker":          "fake",
			"other":            map[string]string{"tx_index": "on", "rpc_address": "tcp://127.0.0.1:26657"},
		},
		"sync_info": map[string]any{
			"latest_block_hash":     comet.Hex(latest.Hash()),
			"latest_app_hash":       comet.Hex(latest.App),
			"latest_block_height":   comet.Int(latest.Height),
			"latest_block_time":     comet.Time(latest.Time),
			"earliest_block_hash":   comet.Hex(first.Hash()),
			"earliest_app_hash":     comet.Hex(first.App),
			"earliest_block_height": comet.Int(first.Height),
			"earliest_block_time":   comet.Time(first.Time),
			"catching_up":           n.faults.has(FaultChainSyncing),
		},
		"validator_info": map[string]any{
			"address":      comet.Hex(key[:20]),
			"pub_key":      comet.NewKeyJSON(key[:]),
			"voting_power": "0",
		},
	}, nil
}

// What nodes say about themselves.
const (
	cometVersion = "0.38.21"
	nodeID       = "f0e1d2c3b4a5968778695a4b3c2d1e0f00112233"
)

// sleep waits, and returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
