package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/fault"
	marketv1 "akash-provider-web/proto/akash/market/v1"
)

// maxSocketMessage bounds a WebSocket message. A gateway cuts log lines at 64
// KiB, which JSON can make six times as long.
const maxSocketMessage = 512 << 10

// keptMessage is the size up to which a socket keeps its buffer for the next
// message.
const keptMessage = 16 << 10

// The close codes that gateways use of their own (reference section 2.8).
const (
	closeInternal    websocket.StatusCode = 4000
	closeNotFound    websocket.StatusCode = 4001
	closeUnreachable websocket.StatusCode = 4002
)

// closeNoPods is the reason given with closeInternal where no pod matches.
const closeNoPods = "no running pods"

// A closed socket is one that the provider closed with a frame that says why.
type closed struct {
	code   websocket.StatusCode
	reason string
}

func (c *closed) Error() string { return fmt.Sprintf("closed with %d %s", c.code, c.reason) }

// closed tells what a close frame means for a lease's socket.
func (x *exchange) closed(id *marketv1.LeaseID, frame *closed) error {
	switch frame.code {
	case closeInternal:
		return fault.New(codes.Unavailable, fault.ReasonProviderFailed, "it failed to open what was asked for%s", said(frame.reason))
	case closeNotFound:
		return fault.New(codes.NotFound, fault.ReasonUnknownLease, "it holds no lease %s of this owner, or not yet its manifest", leaseName(id))
	case closeUnreachable:
		return fault.New(codes.Unavailable, fault.ReasonClusterUnavailable, "its Kubernetes cluster does not answer")
	}
	// A gateway that shuts down says goodbye properly.
	return fault.New(codes.Unavailable, fault.ReasonProviderGone, "it closed the connection (%d)%s", frame.code, said(frame.reason))
}

// socket is a WebSocket from a provider, which only reads. It answers pings and
// ends when its context does, or when the provider is silent for too long.
type socket struct {
	gateway *gateway
	ctx     context.Context
	conn    *websocket.Conn
	message []byte
	release func() bool

	// A read under way is one that started, for the watch on silent providers.
	started, ended, pings atomic.Uint64
	silent, done          atomic.Bool
	watch                 *time.Timer
}

// dial opens the WebSocket at r, as long as opening lasts. The socket ends with
// ctx, and must be closed.
func (g *gateway) dial(ctx, opening context.Context, r route) (*socket, error) {
	s, err := g.dialOnce(ctx, opening, r)
	if err != nil && g.credential.certificate != nil && isReason(err, fault.ReasonProviderGone) {
		s, err = g.dialOnce(ctx, opening, r) // see gateway.get
	}
	return s, err
}

func (g *gateway) dialOnce(ctx, opening context.Context, r route) (*socket, error) {
	s := &socket{gateway: g, ctx: ctx}
	opening, cancel := context.WithTimeoutCause(opening, g.patience, errPatience)
	defer cancel()
	// No Origin is sent: a gateway refuses any but its own (reference section 2).
	conn, resp, err := websocket.Dial(opening, g.url(r), &websocket.DialOptions{
		HTTPClient: g.client,
		HTTPHeader: g.header(r),
		OnPingReceived: func(context.Context, []byte) bool {
			s.pings.Add(1)
			return true
		},
	})
	if err != nil {
		if resp == nil {
			return nil, g.lost(opening, err)
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return nil, fault.New(codes.Internal, fault.ReasonProviderProtocol, "its WebSocket handshake is malformed")
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return nil, g.refusal(resp, body, r.scope)
	}
	conn.SetReadLimit(maxSocketMessage)
	s.conn = conn
	s.release = context.AfterFunc(ctx, func() { _ = conn.CloseNow() })
	s.watch = time.AfterFunc(time.Hour, s.watcher())
	s.watch.Reset(g.patience / 2) // only now, so that the watcher finds s.watch set
	return s, nil
}

// watcher returns the function that closes the socket if one read waits for
// patience without as much as a ping. While nobody reads, because the page does
// not, silence proves nothing.
func (s *socket) watcher() func() {
	var lastStarted, lastPings uint64
	quiet := 0
	return func() {
		started, pings := s.started.Load(), s.pings.Load()
		if started == lastStarted && pings == lastPings && s.ended.Load() < started {
			quiet++
		} else {
			quiet = 0
		}
		lastStarted, lastPings = started, pings
		switch {
		case s.done.Load():
		case quiet == 2:
			s.silent.Store(true)
			_ = s.conn.CloseNow()
		default:
			s.watch.Reset(s.gateway.patience / 2)
		}
	}
}

// close ends the socket. There is no closing handshake: a gateway that is not
// listened to any more only needs to stop.
func (s *socket) close() {
	s.done.Store(true)
	s.watch.Stop()
	s.release()
	_ = s.conn.CloseNow()
}

// read returns the next message, which is valid until the next call. At the end
// it returns a *closed if the provider said so, io.EOF if the connection just
// ended, and otherwise the context's error or a *fault.Error.
func (s *socket) read() ([]byte, error) {
	s.started.Add(1)
	defer s.ended.Add(1)
	// The socket's own context closes the connection; handing it to every read
	// would cost more than the reading.
	_, r, err := s.conn.Reader(context.Background())
	if err != nil {
		return nil, s.end(err, true)
	}
	if cap(s.message) > keptMessage {
		s.message = nil
	}
	s.message = s.message[:0]
	for {
		if len(s.message) == cap(s.message) {
			s.message = slices.Grow(s.message, max(1<<10, len(s.message)))
		}
		n, err := r.Read(s.message[len(s.message):cap(s.message)])
		s.message = s.message[:len(s.message)+n]
		if err == io.EOF {
			return s.message, nil
		}
		if err != nil {
			return nil, s.end(err, false)
		}
	}
}

// end tells why a read failed; between says whether it was between messages.
func (s *socket) end(err error, between bool) error {
	var frame websocket.CloseError
	switch {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case s.silent.Load():
		return fault.New(codes.Unavailable, fault.ReasonProviderGone, "nothing came from it for %s, not even a ping", s.gateway.patience)
	case errors.As(err, &frame):
		return &closed{frame.Code, words([]byte(s.gateway.credential.scrub(frame.Reason)))}
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fault.New(codes.Internal, fault.ReasonProviderProtocol, "it sent a WebSocket message longer than %d bytes", maxSocketMessage)
	case between && errors.Is(err, io.EOF):
		return io.EOF
	}
	return s.gateway.lost(s.ctx, err)
}
