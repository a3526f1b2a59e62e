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

// maxAnswer bounds a node's answer: a record with every attribute allowed is
// well below.
const maxAnswer = 1 << 20

// A node that fails rests for a while, longer each time, and is asked only
// when the others fail too.
const (
	minRest = time.Second
	maxRest = 30 * time.Second
)

// node is one CometBFT RPC endpoint.
type node struct {
	url    string
	name   string // scheme and host, without what may be secret
	secret []string

	// dialect is the index in a question's paths that this node last answered.
	dialect atomic.Int32

	mu        sync.Mutex
	rest      time.Duration // how long the last rest was; 0 if the node is well
	restUntil time.Time
}

func newNode(text string) (*node, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("chain: a node's URL must be http:// or https:// and hold a host")
	}
	n := &node{url: text, name: u.Scheme + "://" + u.Host}
	for _, s := range []string{u.RequestURI(), u.Path, u.RawQuery, u.User.String()} {
		if len(s) > 1 {
			n.secret = append(n.secret, s)
		}
	}
	return n, nil
}

func (n *node) resting(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return now.Before(n.restUntil)
}

// failed sends the node to rest. It tells whether it had been well.
func (n *node) failed(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	well := n.rest == 0
	n.rest = min(max(2*n.rest, minRest), maxRest)
	n.restUntil = now.Add(n.rest)
	return well
}

// answered ends the node's rest. It tells whether it had been ill.
func (n *node) answered() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	ill := n.rest != 0
	n.rest, n.restUntil = 0, time.Time{}
	return ill
}

// request is a JSON-RPC 2.0 request.
type request struct {
	JSONRPC string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

// call sends one request and decodes its result. An error names the node and
// holds nothing secret.
func (n *node) call(ctx context.Context, client *http.Client, method string, params, result any) error {
	err := n.send(ctx, client, method, params, result)
	if err == nil {
		return nil
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err // its text would hold the URL
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
		return fmt.Errorf("an answer of more than %d bytes", maxAnswer)
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
	// Some nodes send JSON-RPC faults with HTTP 500; overloaded ones anything.
	case err == nil && reply.Error != nil:
		return fmt.Errorf("RPC error %d %s", reply.Error.Code, printable(reply.Error.Message))
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("HTTP status %d", res.StatusCode)
	case err != nil || reply.Result == nil:
		return errors.New("an answer that is not JSON-RPC")
	}
	if err := json.Unmarshal(reply.Result, result); err != nil {
		return errors.New("a result of another shape than expected")
	}
	return nil
}

// abciResponse is the result of abci_query, as far as it matters here.
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
	codeUnknownRequest = 6 // unknown path, and any gRPC code without its own
	codeKeyNotFound    = 22
)

// queryError is a node's refusal of a query.
type queryError struct {
	code uint32
	log  string
}

func (e *queryError) Error() string {
	return fmt.Sprintf("query refused with code %d: %s", e.code, printable(e.log))
}

// query runs one gRPC query through the node and returns the response protobuf.
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

// scrub removes from text what may be a secret of the node's URL: a gateway may
// repeat the path that it was asked for.
func (n *node) scrub(text string) string {
	for _, s := range n.secret {
		text = strings.ReplaceAll(text, s, "…")
	}
	return text
}

// scrubbed is an error with another text.
type scrubbed struct {
	text string
	err  error
}

func (s *scrubbed) Error() string { return s.text }
func (s *scrubbed) Unwrap() error { return s.err }

// printable makes a node's words fit for an error text: one line, short.
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
