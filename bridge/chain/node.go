package chain

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
)

// maxAnswer bounds a node's answer. A record with the maximum number of attributes is
// much smaller.
const maxAnswer = 1 << 20

// A node that fails is in backoff for a while, longer each time. Meanwhile it is
// queried only after the other nodes.
const (
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
)

// node is one CometBFT RPC endpoint.
type node struct {
	url    string
	name   string // scheme and host, without parts that may be secret
	secret []string

	// pathVersion is the index of the query path that this node last answered.
	pathVersion atomic.Int32

	mu           sync.Mutex
	backoff      time.Duration // the length of the last backoff; 0 if the node works
	backoffUntil time.Time
}

func newNode(text string) (*node, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("chain: a node's URL must be http:// or https:// and have a host")
	}
	n := &node{url: text, name: u.Scheme + "://" + u.Host}
	for _, s := range []string{u.RequestURI(), u.Path, u.RawQuery, u.User.String()} {
		if len(s) > 1 {
			n.secret = append(n.secret, s)
		}
	}
	return n, nil
}

func (n *node) inBackoff(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return now.Before(n.backoffUntil)
}

// failed puts the node into backoff. It reports whether the node had worked before.
func (n *node) failed(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	worked := n.backoff == 0
	n.backoff = min(max(2*n.backoff, minBackoff), maxBackoff)
	n.backoffUntil = now.Add(n.backoff)
	return worked
}

// answered ends the node's backoff. It reports whether the node had failed before.
func (n *node) answered() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	hadFailed := n.backoff != 0
	n.backoff, n.backoffUntil = 0, time.Time{}
	return hadFailed
}

// request is a JSON-RPC 2.0 request.
type request struct {
	JSONRPC string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

// call sends a request and decodes its result. Errors name the node and contain no
// secrets.
func (n *node) call(ctx context.Context, client *http.Client, method string, params, result any) error {
	err := n.send(ctx, client, method, params, result)
	if err == nil {
		return nil
	}
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err // a url.Error's text contains the URL
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: no answer in time", n.name)
	}
	return fmt.Errorf("%s: %w", n.name, &scrubbed{n.scrub(err.Error()), err})
}

func (n *node) send(ctx context.Context, client *http.Client, method string, params, result any) error {
	body, err := json.Marshal(request{JSONRPC: "2.0", ID: 1, Method: method, Params: params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case len(answer) > maxAnswer:
		return fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	var reply struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Data    any    `json:"data"`
		} `json:"error"`
	}
	err = json.Unmarshal(answer, &reply)
	switch {
	// Some nodes send JSON-RPC errors with HTTP status 500; overloaded ones send
	// other bodies.
	case err == nil && reply.Error != nil:
		return fmt.Errorf("RPC error %d %s", reply.Error.Code, printable(reply.Error.Message))
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("HTTP status %d", res.StatusCode)
	case err != nil || reply.Result == nil:
		return errors.New("the answer is not JSON-RPC")
	}
	if err := json.Unmarshal(reply.Result, result); err != nil {
		return errors.New("the result has an unexpected form")
	}
	return nil
}

// abciResponse has the fields of an abci_query result that are used here.
type abciResponse struct {
	Response struct {
		Code      uint32 `json:"code"`
		Codespace string `json:"codespace"`
		Log       string `json:"log"`
		Value     []byte `json:"value"` // base64 in JSON
	} `json:"response"`
}

// Codes of codespace "sdk" in an abci_query response
// (cosmos-sdk types/errors/errors.go).
const (
	codeOK             = 0
	codeUnknownRequest = 6 // unknown path, and gRPC codes without a code of their own
	codeKeyNotFound    = 22
)

// queryError is a node's error for a query.
type queryError struct {
	code uint32
	log  string
}

func (e *queryError) Error() string {
	return fmt.Sprintf("query refused with code %d: %s", e.code, printable(e.log))
}

// query sends a gRPC query and returns the response protobuf.
func (n *node) query(ctx context.Context, client *http.Client, path string, message []byte) ([]byte, error) {
	var result abciResponse
	err := n.call(ctx, client, "abci_query", map[string]any{
		"path":   path,
		"data":   hex.EncodeToString(message),
		"height": "0",
		"prove":  false,
	}, &result)
	if err != nil {
		return nil, err
	}
	if r := result.Response; r.Code != codeOK {
		err := &queryError{r.Code, n.scrub(r.Log)}
		return nil, fmt.Errorf("%s: %w", n.name, err)
	}
	return result.Response.Value, nil
}

// scrub removes the secrets of the node's URL from text: a gateway may repeat the
// requested path.
func (n *node) scrub(text string) string {
	for _, s := range n.secret {
		text = strings.ReplaceAll(text, s, "…")
	}
	return text
}

// scrubbed is an error with a scrubbed text.
type scrubbed struct {
	text string
	err  error
}

func (s *scrubbed) Error() string { return s.text }
func (s *scrubbed) Unwrap() error { return s.err }

// printable makes a node's text fit for an error message: short, and one line.
func printable(text string) string {
	const limit = 200
	text = strings.ToValidUTF8(text, "�")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return text
}
