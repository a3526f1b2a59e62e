package fake

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Close codes of the gateway (proto/akash-provider-api.md, section 2.8).
const (
	closeInternal    = 4000
	closeNoLease     = 4001
	closeUnavailable = 4002
)

// DefaultPingInterval is how often the gateway pings.
const DefaultPingInterval = 10 * time.Second

const (
	pingWrite = 5 * time.Second
	// pongWait extends the read deadline at each ping, whether or not it was
	// answered; a client need not.
	pongWait = 15 * time.Second
)

// streamParams are the query of a WebSocket route.
type streamParams struct {
	services []string // empty selects all
	follow   bool
	tail     int64 // lines of each pod; -1 is all
}

// parseStreamParams reads them as the gateway does.
func parseStreamParams(r *http.Request) (streamParams, error) {
	query := r.URL.Query()
	s := streamParams{tail: -1}
	if text := query.Get("service"); text != "" {
		if strings.HasSuffix(text, ",") {
			return s, errors.New(`parameter "service" must not contain trailing comma`)
		}
		s.services = strings.Split(text, ",")
	}
	var err error
	if text := query.Get("follow"); text != "" {
		if s.follow, err = strconv.ParseBool(text); err != nil {
			return s, err
		}
	}
	if text := query.Get("tail"); text != "" {
		if s.tail, err = strconv.ParseInt(text, 10, 32); err != nil {
			return s, err
		}
		if s.tail < -1 {
			return s, errors.New(`parameter "tail" contains invalid value`)
		}
	}
	return s, nil
}

// matches reports whether a service is selected.
func (s streamParams) matches(service string) bool {
	return len(s.services) == 0 || slices.Contains(s.services, service)
}

// socketHandler serves a WebSocket until ctx ends, which it does when the client goes
// away.
type socketHandler func(ctx context.Context, ws *websocket.Conn, id Lease, params streamParams)

// streamed makes a route of a WebSocket: parameters first, then the scope, then the
// upgrade, which an Origin from elsewhere is refused.
func (p *provider) streamed(scope string, handler socketHandler) leaseHandler {
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	return func(w http.ResponseWriter, r *http.Request, id Lease) {
		params, err := parseStreamParams(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if who, refused := p.authenticateRequest(r); refused != nil || !who.may(id, scope) {
			p.unauthorized(w)
			return
		}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // answered
		}
		ctx, gone := context.WithCancel(r.Context())
		var listener sync.WaitGroup
		listener.Go(func() { listen(ws, gone) })
		done := p.counters.open(ctx, r.Pattern)
		handler(ctx, ws, id, params)
		done()
		// Without a Close frame: a handler that has one to send has sent it.
		ws.Close()
		listener.Wait()
	}
}

// closeWith sends a Close frame.
func closeWith(ws *websocket.Conn, code int, text string) {
	ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, text))
}

// lost answers on a socket what hasLease would over HTTP.
func (p *provider) lost(ws *websocket.Conn, id Lease) bool {
	switch {
	case p.faults.has(FaultKubeDown) && p.version.plainErrors():
		closeWith(ws, closeUnavailable, "")
	case p.faults.has(FaultKubeDown):
		closeWith(ws, closeInternal, "")
	case id != p.work.lease:
		closeWith(ws, closeNoLease, "")
	case p.faults.has(FaultClose1011):
		closeWith(ws, websocket.CloseInternalServerErr, "")
	case p.faults.has(FaultClose1013):
		closeWith(ws, websocket.CloseTryAgainLater, "")
	default:
		return false
	}
	return true
}

// oddFrames are what FaultOddFrames has a socket begin with. The first is how exec
// ends on a lease that was closed (proto/akash-provider-api.md, section 2.10).
var oddFrames = []string{`{"exit_code":0}`, "<html>", "[]"}

// oddly sends frames that no client can read, if that fault is in force.
func (p *provider) oddly(ws *websocket.Conn) {
	if !p.faults.has(FaultOddFrames) {
		return
	}
	for _, text := range oddFrames {
		ws.WriteMessage(websocket.TextMessage, []byte(text))
	}
}

// listen reads what the client says, which is nothing, until it goes away.
func listen(ws *websocket.Conn, gone func()) {
	defer gone()
	ws.SetPongHandler(func(string) error { return ws.SetReadDeadline(time.Now().Add(pongWait)) })
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			return
		}
	}
}

// ping sends an empty ping.
func ping(ws *websocket.Conn) error {
	if err := ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(pingWrite)); err != nil {
		return err
	}
	return ws.SetReadDeadline(time.Now().Add(pongWait))
}

// logMessage is a line of a pod's log.
type logMessage struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// socketLogs sends the lines of every pod that is running now, each in order. At
// the end it hangs up without a word.
func (p *provider) socketLogs(ctx context.Context, ws *websocket.Conn, id Lease, params streamParams) {
	if p.lost(ws, id) {
		return
	}
	var pods []*journal
	for _, j := range p.logs.all() {
		if !params.matches(j.service) {
			continue
		}
		switch phase := j.phase(); {
		case phase == podStarting:
			// One pod's log that cannot be opened fails those of all.
			closeWith(ws, closeInternal, "")
			return
		case phase == podRunning, phase == podEnded && !params.follow:
			pods = append(pods, j)
		}
	}
	if len(pods) == 0 || p.faults.has(FaultNoPods) {
		closeWith(ws, closeInternal, noPods)
		return
	}
	if params.follow {
		defer p.logs.follow()()
	}
	var scanners sync.WaitGroup
	defer scanners.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan logMessage)
	for _, j := range pods {
		scanners.Go(func() {
			// A line that does not fit into the scanner's 64 KiB with its newline ends
			// this pod's log, without a word to anybody.
			scan := bufio.NewScanner(&podReader{
				ctx: ctx, book: p.logs, journal: j, at: j.tail(params.tail), follow: params.follow,
			})
			for scan.Scan() {
				select {
				case lines <- logMessage{j.pod, scan.Text()}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		scanners.Wait()
		close(done)
	}()
	pings := time.NewTicker(p.server.options.PingInterval)
	defer pings.Stop()
	p.oddly(ws)
	for {
		select {
		case line := <-lines:
			if ws.WriteJSON(line) != nil {
				return
			}
		case <-pings.C:
			if ping(ws) != nil {
				return
			}
		case <-done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// podReader reads a journal as the stream of a container's log.
type podReader struct {
	ctx     context.Context
	book    *logbook
	journal *journal
	at      cursor
	follow  bool
	rest    []byte
}

// Read implements io.Reader. With follow it waits at the end of the log.
func (r *podReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		news := r.book.news()
		over := !r.follow || r.journal.hasEnded()
		r.rest = r.journal.read(&r.at, r.rest[:0], 4<<10)
		if len(r.rest) > 0 {
			break
		}
		if over {
			return 0, io.EOF
		}
		select {
		case <-news:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// socketEvents sends the events of a lease's pods, and ends with a normal closure.
// Asked for services it sends none: the gateway has Kubernetes select by a label that
// pods carry and the kubelet's events do not (proto/akash-provider-api.md, section 2.9).
func (p *provider) socketEvents(ctx context.Context, ws *websocket.Conn, id Lease, params streamParams) {
	if p.lost(ws, id) {
		return
	}
	pings := time.NewTicker(p.server.options.PingInterval)
	defer pings.Stop()
	p.oddly(ws)
	for sent := 0; ; {
		events, changed := p.work.eventsFrom(sent)
		if p.faults.has(FaultRepeat) {
			ws.WriteJSON(events[0])
			closeWith(ws, websocket.CloseNormalClosure, "")
			return
		}
		sent += len(events)
		for _, e := range events {
			if len(params.services) == 0 && ws.WriteJSON(e) != nil {
				return
			}
		}
		if !params.follow {
			closeWith(ws, websocket.CloseNormalClosure, "")
			return
		}
		for waiting := true; waiting; {
			select {
			case <-changed:
				waiting = false
			case <-pings.C:
				if ping(ws) != nil {
					return
				}
			case <-ctx.Done():
				closeWith(ws, websocket.CloseNormalClosure, "")
				return
			}
		}
	}
}
