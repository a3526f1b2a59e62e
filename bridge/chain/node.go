package chain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"akash-provider-web/bridge/internal/jsonlimit"
)

// maxAnswer bounds a node's answer. A record with the maximum number of attributes is
// much smaller.
const maxAnswer = 1 << 20

// answerLimits are the other limits of an answer. All of it may be one string, with a
// message in base64.
var answerLimits = jsonlimit.Limits{Bytes: maxAnswer, Depth: 50, String: maxAnswer, Values: 100_000}

// A node that fails is in backoff for a while, longer each time. Meanwhile it is
// queried only after the other nodes.
const (
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
	// slowTime is how long a node counts as slow.
	slowTime = time.Minute
)

// node is one endpoint of the chain.
type node struct {
	url    *url.URL
	api    api
	name   string // scheme and host, without parts that may be secret
	secret []string

	// pathVersion is the index of the query path that this node last answered.
	pathVersion atomic.Int32

	// source is the node as a source of headers.
	source *headerSource

	// looking says that a look at an answer that differs is under way (second.go).
	looking atomic.Bool
	// checked is closed when the node's first check has ended.
	checked    chan struct{}
	firstCheck sync.Once

	mu           sync.Mutex
	backoff      time.Duration // the length of the last backoff; 0 if the node works
	backoffUntil time.Time
	slowUntil    time.Time
	differs      difference
	status       *nodeStatus // of the last check; nil if there was none or it failed
	off          error       // why its status leaves the node out; nil if it does not
	distant      error       // why its height does
}

func newNode(text string, a api) (*node, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("chain: a node's URL must be http:// or https:// and have a host")
	}
	n := &node{url: u, api: a, name: u.Scheme + "://" + u.Host, checked: make(chan struct{})}
	for _, s := range []string{u.RequestURI(), u.Path, u.RawQuery, u.User.String()} {
		if len(s) > 1 {
			n.secret = append(n.secret, s)
		}
	}
	// A node may repeat a key without what surrounds it in the URL.
	password, _ := u.User.Password()
	parts := append(strings.Split(u.Path, "/"), u.User.Username(), password)
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	for _, s := range parts {
		if len(s) >= minKey {
			n.secret = append(n.secret, s)
		}
	}
	return n, nil
}

// minKey is the length from which on a part of a node's URL is taken for a key, in bytes.
// Shorter ones are likely to be words such as "rpc", which occur in errors.
const minKey = 8

func (n *node) inBackoff(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return now.Before(n.backoffUntil)
}

// handicap returns 0 for a node that is asked in its turn, 1 for a slow one, which is
// asked after those, and 2 for one in backoff, which is asked last.
func (n *node) handicap(now time.Time) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case now.Before(n.backoffUntil):
		return 2
	case now.Before(n.slowUntil):
		return 1
	}
	return 0
}

// overtaken makes the node count as slow for a while: others, which were asked later, have
// answered before it.
func (n *node) overtaken(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.slowUntil = now.Add(slowTime)
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

// fetch sends a request and returns the answer, whose body has been read and closed, and
// the body, which is empty where that of an error is not JSON within the limits. Its errors,
// like those of decoding the answer, are for describe.
func (n *node) fetch(client *http.Client, req *http.Request) (res *http.Response, body []byte, err error) {
	res, err = client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err = jsonlimit.Read(res.Body, nil, answerLimits)
	var limit *jsonlimit.Error
	switch {
	case errors.As(err, &limit) && res.StatusCode != http.StatusOK:
		return res, nil, nil // of a proxy, in HTML
	case limit != nil && limit.TooMuch != "":
		return nil, nil, errors.New("the answer " + limit.TooMuch)
	case limit != nil:
		return nil, nil, errors.New("the answer is not JSON")
	case err != nil:
		return nil, nil, err
	}
	return res, body, nil
}

// describe returns err as an error that names the node and contains no secrets.
func (n *node) describe(err error) error {
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
