package fake

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// JSON-RPC 2.0 error codes.
const (
	rpcParseError     = -32700
	rpcInvalidRequest = -32600
	rpcMethodNotFound = -32601
	rpcInvalidParams  = -32602
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

// queryResult is the result of abci_query (proto/akash-provider-api.md, section 5.1).
type queryResult struct {
	Response queryResponse `json:"response"`
}

type queryResponse struct {
	Code      uint32  `json:"code"`
	Log       string  `json:"log"`
	Info      string  `json:"info"`
	Index     string  `json:"index"`
	Key       *string `json:"key"`
	Value     *string `json:"value"`
	ProofOps  *string `json:"proofOps"`
	Height    string  `json:"height"`
	Codespace string  `json:"codespace"`
}

// chainNode is a node of the chain with the CometBFT RPC and, on the same port, the REST
// API of the Cosmos SDK.
type chainNode struct {
	ledger   *ledger
	faults   *faults
	genesis  time.Time
	counters *counters
}

// blockTime is the time between blocks.
const blockTime = 6 * time.Second

func (n *chainNode) height() int64 { return 20_000_000 + int64(time.Since(n.genesis)/blockTime) }

// ServeHTTP implements http.Handler.
func (n *chainNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	var response rpcResponse
	switch r.URL.Path {
	case "/health", "/status":
		response = n.call(rpcRequest{Method: r.URL.Path[1:]})
	case "/abci_query":
		// In a query, strings are quoted, and bytes are 0x and hexadecimal.
		params, _ := json.Marshal(map[string]string{
			"path": strings.Trim(r.FormValue("path"), `"`),
			"data": strings.TrimPrefix(r.FormValue("data"), "0x"),
		})
		response = n.call(rpcRequest{Method: "abci_query", Params: params})
	default:
		http.NotFound(w, r)
		return
	}
	response.ID = json.RawMessage("-1")
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
	response := n.call(request)
	if response.Error != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
	json.NewEncoder(w).Encode(response)
}

// call answers one JSON-RPC request.
func (n *chainNode) call(r rpcRequest) rpcResponse {
	response := rpcResponse{JSONRPC: "2.0", ID: r.ID}
	switch r.Method {
	case "health":
		response.Result = struct{}{}
	case "status":
		response.Result = map[string]any{
			"node_info": map[string]any{"network": "akashnet-2", "version": "0.38.17"},
			"sync_info": map[string]any{
				"latest_block_height": strconv.FormatInt(n.height(), 10),
				"latest_block_time":   time.Now().UTC().Format(time.RFC3339Nano),
				"catching_up":         n.faults.has(FaultChainSyncing),
			},
		}
	case "abci_query":
		response.Result, response.Error = n.query(r.Params)
	case "":
		response.Error = &rpcError{rpcInvalidRequest, "Invalid Request", "no method"}
	default:
		response.Error = &rpcError{rpcMethodNotFound, "Method not found", ""}
	}
	return response
}

// query answers abci_query.
func (n *chainNode) query(raw json.RawMessage) (any, *rpcError) {
	var params struct {
		Path string `json:"path"`
		Data string `json:"data"`
	}
	if err := json.Unmarshal(raw, &params); err != nil {
		return nil, &rpcError{rpcInvalidParams, "Invalid params", "error converting json params to arguments: " + err.Error()}
	}
	data, err := hex.DecodeString(params.Data)
	if err != nil {
		return nil, &rpcError{rpcInvalidParams, "Invalid params", "error converting json params to arguments: " + err.Error()}
	}
	answer := queryResponse{Index: "0", Height: strconv.FormatInt(n.height(), 10)}
	value, refused := n.ledger.query(params.Path, data)
	if refused != nil {
		answer.Code, answer.Log, answer.Codespace, answer.Height = refused.code, refused.log, "sdk", "0"
	} else {
		text := base64.StdEncoding.EncodeToString(value)
		answer.Value = &text
	}
	return queryResult{answer}, nil
}

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
