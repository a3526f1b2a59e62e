package fake

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// answers are given answers of REST routes, which replace the real ones. They simulate
// a proxy in front of the gateway, or a gateway with an invalid inventory.
type answers struct {
	mu    sync.Mutex
	given []givenAnswer
}

// givenAnswer is the answer to requests whose path ends in suffix.
type givenAnswer struct {
	suffix string
	status int
	body   []byte
}

// give adds an answer. It replaces an earlier one for the same paths.
func (a *answers) give(answer givenAnswer) {
	a.take(answer.suffix)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.given = append(a.given, answer)
}

// take removes the answer for paths that end in suffix.
func (a *answers) take(suffix string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := a.given[:0:0]
	for _, answer := range a.given {
		if answer.suffix != suffix {
			kept = append(kept, answer)
		}
	}
	a.given = kept
}

// serve answers a request if there is a given answer for it, and reports whether there
// was. Like a proxy, it reads the request's body first.
func (a *answers) serve(w http.ResponseWriter, r *http.Request) bool {
	a.mu.Lock()
	given := a.given
	a.mu.Unlock()
	for _, answer := range given {
		if !strings.HasSuffix(r.URL.Path, answer.suffix) {
			continue
		}
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", http.DetectContentType(answer.body))
		w.WriteHeader(answer.status)
		w.Write(answer.body)
		return true
	}
	return false
}

// readAnswer parses path=SUFFIX&status=CODE and the body of a control request.
func readAnswer(r *http.Request) (givenAnswer, error) {
	query := r.URL.Query()
	status := http.StatusOK
	if text := query.Get("status"); text != "" {
		var err error
		if status, err = strconv.Atoi(text); err != nil || status < 200 || status > 599 {
			return givenAnswer{}, fmt.Errorf("status %q: want 200 to 599", text)
		}
	}
	if query.Get("path") == "" {
		return givenAnswer{}, fmt.Errorf("path: want the end of a path, such as /status")
	}
	body, err := io.ReadAll(r.Body)
	return givenAnswer{suffix: query.Get("path"), status: status, body: body}, err
}
