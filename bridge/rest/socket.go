package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
)

// maxSocketMessage limits a WebSocket message. A gateway cuts log lines at 64 KiB, which
// JSON can make six times as long.
const maxSocketMessage = 512 << 10

// socket is a WebSocket from a provider that is only read. It answers pings, and ends when
// its context does or the provider is silent for too long.
type socket struct {
	gateway *gateway
	ctx     context.Context
	conn    io.ReadWriteCloser
	frames  *frames
	release func() bool

	// The start of a pending read, for detecting silent providers.
	started, ended, pings atomic.Uint64
	silent, done          atomic.Bool
	unwatched             atomic.Bool // silence is no longer an error
	watch                 *time.Timer
}

// dial opens the WebSocket at r. The socket ends with ctx, and must be closed.
func (g *gateway) dial(ctx, opening context.Context, r route) (*socket, error) {
	opening, cancel := context.WithTimeoutCause(opening, g.patience, errPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(opening, http.MethodGet, g.url(r), nil)
	if err != nil {
		return nil, rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "no request can be made for its host URI")
	}
	// No Origin is sent: a gateway refuses any but its own (proto/akash-provider-api.md, section 2).
	req.Header = g.header(r)
	accepted := handshake(req.Header)
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, g.lost(opening, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return nil, g.refusal(resp, body, r.scope)
	}
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || !accepted(resp.Header) {
		resp.Body.Close()
		return nil, rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "its WebSocket handshake is malformed")
	}
	s := &socket{gateway: g, ctx: ctx, conn: conn, frames: newFrames(conn, maxSocketMessage)}
	s.frames.pinged = func() { s.pings.Add(1) }
	s.release = context.AfterFunc(ctx, func() { _ = conn.Close() })
	s.watch = time.AfterFunc(time.Hour, s.watcher())
	s.watch.Reset(g.patience / 2) // only now, so that the watcher finds s.watch set
	return s, nil
}

// watcher returns the function that closes the socket if one read waits for patience
// without even a ping. While the socket is not read, because the page is not reading,
// silence means nothing.
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
		case s.done.Load(), s.unwatched.Load():
		case quiet == 2:
			s.silent.Store(true)
			_ = s.conn.Close()
		default:
			s.watch.Reset(s.gateway.patience / 2)
		}
	}
}

// Parameters for detecting that a socket is drained.
const (
	drainedQuiet = 250 * time.Millisecond
	drainedTries = 8
)

// drained reports whether everything that the provider has sent has been read: a read has
// waited for drainedQuiet. For a log that is written continuously, it may be false although
// it is drained.
func (s *socket) drained(ctx context.Context) bool {
	for range drainedTries {
		started := s.started.Load()
		if sleep(ctx, drainedQuiet) != nil {
			return false
		}
		if s.started.Load() == started && s.ended.Load() < started {
			return true
		}
	}
	return false
}

// close ends the socket without a closing handshake, which a gateway does not need.
func (s *socket) close() {
	s.done.Store(true)
	s.watch.Stop()
	s.release()
	_ = s.conn.Close()
}

// read returns the next message, which is valid until the next call. At the end it returns
// a *closed for a close frame, io.EOF if the connection just ended, and otherwise the
// context's error or a *rpcerror.Error.
func (s *socket) read() ([]byte, error) {
	s.started.Add(1)
	message, err := s.frames.next()
	s.ended.Add(1)
	if err != nil {
		return nil, s.end(err)
	}
	return message, nil
}

// end returns why a read failed.
func (s *socket) end(err error) error {
	var frame *closed
	switch {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case s.silent.Load():
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "nothing came from it for %s, not even a ping", s.gateway.patience)
	case errors.As(err, &frame):
		frame.reason = s.gateway.credential.words(frame.reason)
		return frame
	case err == errFrameSize:
		return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "it sent a WebSocket message longer than %d bytes", maxSocketMessage)
	case err == errFrame, err == errFrameFlood:
		return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "it sent %w", err)
	case err == io.EOF:
		return err
	}
	return s.gateway.lost(s.ctx, err)
}

// closed returns the error for a close frame on a lease's socket.
func (x *exchange) closed(id *marketv1.LeaseID, frame *closed) error {
	switch frame.code {
	case closeInternal:
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderFailed, "it failed to open what was asked for%s", said(frame.reason))
	case closeNotFound:
		return rpcerror.New(codes.NotFound, rpcerror.ReasonUnknownLease, "it holds no lease %s of this owner, or not yet its manifest", leaseName(id))
	case closeUnreachable:
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonClusterUnavailable, "its Kubernetes cluster does not answer")
	}
	// A gateway that shuts down sends this code.
	return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "it closed the connection (%d)%s", frame.code, said(frame.reason))
}
