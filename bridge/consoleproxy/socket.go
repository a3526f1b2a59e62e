package consoleproxy

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"akash-provider-web/bridge/internal/flood"
	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trace"
)

const (
	// maxClientMessage bounds a client's message, in bytes.
	maxClientMessage = 1 << 20
	// maxProviderMessage bounds a provider's message. A gateway cuts log lines at 64
	// KiB, which JSON can make six times as long.
	maxProviderMessage = 1 << 20
	// maxUnsent is how many bytes are held for a provider that does not take them. Then
	// the client's messages wait.
	maxUnsent = maxClientMessage
	// openTimeout bounds each attempt to open a provider's WebSocket.
	openTimeout = 30 * time.Second
	// greetingTime is how long messages that came before the provider's WebSocket was
	// open wait for its first message, and for the client to take that. Clients that
	// listen for one message at a time lose an answer that arrives together with the
	// provider's greeting.
	greetingTime = 250 * time.Millisecond
	// maxGreeting is the size up to which a first message may be a greeting, in bytes.
	maxGreeting = 4 << 10
	// costMessage is about what a message costs the bridge that no provider gets, and
	// messageBytes how many of its bytes cost a microsecond more. A client that sends too
	// many is disconnected (package flood).
	costMessage  = 50 * time.Microsecond
	messageBytes = 100
	costTooBig   = 5 * time.Millisecond
	// pingEvery is how often a client is pinged that nothing is sent to, so that
	// proxies leave a quiet connection alone, and the end of the client is noticed.
	pingEvery = 30 * time.Second
	// pingTimeout bounds the wait for the answer. None is no error: a client that has
	// sent more than the provider takes is not read, and neither is its answer.
	pingTimeout = 10 * time.Second
)

// closeNoFrame is the code for a provider's connection that ended without a close frame
// (RFC 6455, section 7.4.1).
const closeNoFrame = 1006

// Texts of answers that clients know.
const (
	textNotJSON       = "Message is not a JSON string"
	textSchema        = "Message doesn't match expected schema"
	textInvalid       = "Invalid message format"
	textProviderError = "Received error from provider websocket"
	errorTokenExpired = "tokenExpired"
)

// reply is a message to a client.
type reply struct {
	Type    string  `json:"type"`
	Message *string `json:"message,omitempty"`
	Error   string  `json:"error,omitempty"`
	Errors  issues  `json:"errors,omitempty"`
	Closed  bool    `json:"closed,omitempty"`
	Code    int     `json:"code,omitempty"`
	Reason  *string `json:"reason,omitempty"`
}

// serveSocket serves a client's WebSocket until it ends.
func (h *Handler) serveSocket(w http.ResponseWriter, r *http.Request) {
	release, err := h.options.Admit(r)
	if err != nil {
		h.options.Observe("socket", h.refuseBusy(w, r, err))
		return
	}
	defer release()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the origin has been checked
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		h.options.Observe("socket", http.StatusBadRequest)
		return // answered
	}
	h.options.Observe("socket", http.StatusSwitchingProtocols)
	defer h.options.Opened()()
	span := trace.Of(r.Context()).Begin(r.Context(), r.Header, "console socket")
	defer span.End()
	h.stats.clients(1)
	defer h.stats.clients(-1)
	defer conn.CloseNow()
	conn.SetReadLimit(maxClientMessage)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context())) // which ends with the handshake
	defer cancel()
	s := &session{handler: h, conn: conn, ctx: ctx}
	stop := context.AfterFunc(h.options.Stopping, func() {
		_ = conn.Close(websocket.StatusGoingAway, "the bridge is shutting down")
		cancel()
	})
	defer stop()
	var pings sync.WaitGroup
	defer pings.Wait()
	pings.Go(func() {
		s.keepAlive()
		cancel()
	})
	defer cancel()
	s.readMessages()
	cancel()
	s.leaveProvider()
}

// session is a client's WebSocket.
type session struct {
	handler *Handler
	conn    *websocket.Conn
	ctx     context.Context
	current *providerSocket // of the last message; only for readMessages

	// writes counts the beginnings and the ends of writes to the client, so it is odd
	// while the client lets one wait.
	writes  atomic.Uint64
	writing sync.Mutex
}

// readMessages does what the client's messages say until the client leaves.
func (s *session) readMessages() {
	for {
		kind, text, err := s.conn.Read(s.ctx)
		if errors.Is(err, websocket.ErrMessageTooBig) {
			flood.Charge(s.ctx, costTooBig)
		}
		if err != nil {
			return
		}
		if kind != websocket.MessageText {
			err = errNotJSON
		} else {
			err = s.take(text)
		}
		if err != nil || s.current == nil {
			flood.Charge(s.ctx, costMessage+time.Duration(len(text))*time.Microsecond/messageBytes)
		}
		if err != nil && s.refuse(err) != nil {
			return
		}
	}
}

// take does what a message says. The error is errNotJSON or issues.
func (s *session) take(text []byte) error {
	m, err := parse(text)
	if err != nil {
		return err
	}
	switch m.Type {
	case typePing:
		return s.send(reply{Type: typePong})
	case typeWebSocket:
	default:
		return issues{{Code: "invalid_union_discriminator", Message: "want ping or websocket", Path: []string{"type"}}}
	}
	to, list := m.target(s.handler.options.Now())
	data, err := m.bytes()
	var more issues
	if errors.As(err, &more) {
		list = append(list, more...)
	}
	if len(list) > 0 {
		return list
	}
	if s.current == nil || !s.current.carries(to) {
		s.leaveProvider()
		s.current = s.open(to)
	}
	if len(data) > 0 {
		s.current.unsent.put(s.ctx, data)
	}
	return nil
}

// refuse tells the client what is wrong with its message.
func (s *session) refuse(err error) error {
	var list issues
	switch {
	case errors.As(err, &list) && list.tokenExpired():
		return s.send(reply{Type: typeWebSocket, Error: errorTokenExpired})
	case list != nil:
		return s.send(reply{Type: typeWebSocket, Message: new(textSchema), Error: textInvalid, Errors: list})
	case err == errNotJSON:
		return s.send(reply{Type: typeWebSocket, Message: new(textNotJSON), Error: textInvalid})
	}
	return err
}

// tokenExpired reports whether a token is refused because it has expired.
func (i issues) tokenExpired() bool {
	for _, one := range i {
		if problems, ok := one.Params["errors"].([]string); ok {
			for _, problem := range problems {
				if problem == tokenExpired {
					return true
				}
			}
		}
	}
	return false
}

// send sends a message to the client. It waits while the client does not read.
func (s *session) send(r reply) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.write(text)
}

// write sends a message's text to the client.
func (s *session) write(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.writes.Add(1)
	defer s.writes.Add(1)
	return s.conn.Write(s.ctx, websocket.MessageText, text)
}

// keepAlive pings the client until it is gone. It leaves out a client that is being sent
// messages: the ping would have to wait, too, and one that waits for long closes the
// connection.
func (s *session) keepAlive() {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for last := s.writes.Load(); ; {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		if now := s.writes.Load(); now != last || now%2 == 1 {
			last = now
			continue
		}
		ctx, cancel := context.WithTimeout(s.ctx, pingTimeout)
		err := s.conn.Ping(ctx)
		late := ctx.Err() != nil
		cancel()
		if err != nil && !late {
			return
		}
	}
}

// leaveProvider ends the current WebSocket of a provider, of which nothing more is sent.
func (s *session) leaveProvider() {
	if s.current != nil {
		s.current.leave()
		<-s.current.done
		s.current = nil
	}
}

// providerSocket is a WebSocket of a provider, for a session.
type providerSocket struct {
	session *session
	to      *target
	usage   usage
	unsent  *unsent
	ctx     context.Context
	leave   context.CancelFunc
	// over is closed when no more messages are taken, and done when nothing more is sent
	// to the client.
	over, done chan struct{}
}

// open starts to open a provider's WebSocket.
func (s *session) open(to *target) *providerSocket {
	p := &providerSocket{
		session: s,
		to:      to,
		usage:   usageOf(to.url),
		over:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	p.unsent = newUnsent(p.over)
	p.ctx, p.leave = context.WithCancel(s.ctx)
	s.handler.stats.opened(p.usage)
	go p.run()
	return p
}

// carries reports whether messages for a target go over this WebSocket. A credential
// counts only where it is opened, as clients renew their tokens.
func (p *providerSocket) carries(to *target) bool {
	select {
	case <-p.over:
		return false
	default:
		return p.to.provider == to.provider && p.to.url.String() == to.url.String()
	}
}

// run relays messages until one side ends the connection.
func (p *providerSocket) run() {
	began := time.Now()
	defer close(p.done)
	defer p.leave()
	span := trace.Begin(p.ctx, trace.Client, "call provider")
	conn, err := p.dial()
	if err == nil {
		err = p.relay(conn)
	}
	close(p.over)
	p.log(began, err)
	p.endSpan(span, err)
	if p.ctx.Err() != nil {
		return // the client left, or opened another
	}
	var end websocket.CloseError
	code := certificateCode(err)
	switch {
	case code != "":
		p.closed(int(websocket.StatusPolicyViolation), "invalidCertificate."+code)
	case errors.As(err, &end):
		p.closed(int(end.Code), end.Reason)
	case errors.Is(err, errEnded):
		p.closed(closeNoFrame, "")
	default:
		text := describe(err)
		if p.session.send(reply{Type: typeWebSocket, Message: new(textProviderError), Error: textProviderError, Reason: &text}) == nil {
			p.closed(closeNoFrame, text)
		}
	}
}

// closed tells the client that the provider's WebSocket is closed. An error means that
// the client has gone, too.
func (p *providerSocket) closed(code int, reason string) {
	_ = p.session.send(reply{Type: typeWebSocket, Message: new(string), Closed: true, Code: code, Reason: &reason})
}

// describe says why a provider's WebSocket could not be used.
func describe(err error) string {
	var known *rpcerror.Error
	if errors.As(err, &known) {
		return known.Message
	}
	return err.Error()
}

func (p *providerSocket) log(began time.Time, err error) {
	attrs := []slog.Attr{
		protocol,
		slog.String("provider", p.to.provider),
		slog.String("host", p.to.host.Addr()),
		slog.Duration("duration", time.Since(began)),
	}
	if err != nil && p.ctx.Err() == nil {
		attrs = append(attrs, slog.String("end", describe(err)))
	}
	attrs = trace.Of(p.ctx).Attrs(attrs)
	p.session.handler.options.Logger.LogAttrs(p.ctx, slog.LevelInfo, "console socket", attrs...)
}

// endSpan ends the span of a provider's WebSocket.
func (p *providerSocket) endSpan(span *trace.Span, err error) {
	span.Set("akash.provider", p.to.provider)
	span.Set("akash.endpoint", p.to.host.Addr())
	var end websocket.CloseError
	if p.ctx.Err() == nil && !errors.As(err, &end) {
		span.Fail(describe(err))
	}
	span.End()
}

// errEnded is the end of a provider's connection without a close frame.
var errEnded = errors.New("the provider's connection ended")

// dial opens the provider's WebSocket, and tries again where a failure may pass: nothing
// has been sent yet.
func (p *providerSocket) dial() (*websocket.Conn, error) {
	delay := firstDelay
	for attempt := 0; ; attempt++ {
		conn, err := p.dialOnce()
		if err == nil || !passes(err) || attempt == maxRetries || p.ctx.Err() != nil {
			return conn, err
		}
		select {
		case <-time.After(delay):
			delay *= 2
		case <-p.ctx.Done():
			return nil, p.ctx.Err()
		}
	}
}

func (p *providerSocket) dialOnce() (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(p.ctx, openTimeout)
	defer cancel()
	endpoint, err := p.session.handler.reach(ctx, p.to)
	if err != nil {
		return nil, err
	}
	header := http.Header{"User-Agent": {grpcwire.UserAgent}}
	if p.to.authorization != "" {
		header.Set("Authorization", p.to.authorization)
	}
	// A gateway reads nothing while a process leaves its standard input unread, and takes
	// a pong that it cannot read in time for the end of the client: it then drops all
	// further input (proto/akash-provider-api.md, section 2.10).
	answerPings := p.usage != usageShell
	conn, answer, err := websocket.Dial(ctx, p.to.url.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{
			// It goes to this provider only, and verifies its certificate in the
			// handshake.
			Transport:     endpoint.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPHeader:      header,
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  func(context.Context, []byte) bool { return answerPings },
	})
	var known *rpcerror.Error
	switch {
	case err == nil:
		conn.SetReadLimit(maxProviderMessage)
		return conn, nil
	case errors.As(err, &known):
		return nil, known
	case answer != nil:
		return nil, &refusedUpgrade{answer.StatusCode}
	}
	return nil, errors.New("its WebSocket could not be opened")
}

// refusedUpgrade is a provider's refusal to open a WebSocket.
type refusedUpgrade struct{ status int }

func (e *refusedUpgrade) Error() string {
	return "it answered " + strings.TrimSpace(strconv.Itoa(e.status)+" "+http.StatusText(e.status)) + " to the WebSocket's handshake"
}

// relay moves messages in both directions until the connection ends. Each side waits for
// the other.
func (p *providerSocket) relay(conn *websocket.Conn) error {
	defer conn.CloseNow()
	var writer sync.WaitGroup
	defer writer.Wait()
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	greeted := make(chan int, 1) // the size of the first message
	writer.Go(func() {
		if p.unsent.waiting() {
			p.awaitGreeting(ctx, greeted)
		}
		for {
			data, ok := p.unsent.take(ctx)
			if !ok || conn.Write(ctx, websocket.MessageBinary, data) != nil {
				return // reading finds out why
			}
		}
	})
	var buffer []byte
	for first := true; ; {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return ending(err)
		}
		if len(data) == 0 {
			continue
		}
		if buffer, err = appendMessage(buffer[:0], kind, data); err != nil {
			return err
		}
		if err := p.session.write(buffer); err != nil {
			return err
		}
		p.session.handler.stats.carried(p.usage, len(buffer))
		if first {
			first = false
			greeted <- len(buffer)
		}
		if cap(buffer) > keptBuffer {
			buffer = nil
		}
	}
}

// awaitGreeting waits until the client has taken the provider's first message, which its
// answer to a ping shows, or for greetingTime.
func (p *providerSocket) awaitGreeting(ctx context.Context, greeted <-chan int) {
	ctx, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	select {
	case size := <-greeted:
		if size <= maxGreeting {
			// Without an answer in time, the messages are sent all the same.
			_ = p.session.conn.Ping(ctx)
		}
	case <-ctx.Done():
	}
}

// keptBuffer is the size up to which a buffer is kept for the next message.
const keptBuffer = 64 << 10

// ending returns how a provider's connection ended.
func ending(err error) error {
	var end websocket.CloseError
	switch {
	case errors.As(err, &end):
		return end
	case errors.Is(err, websocket.ErrMessageTooBig):
		return errors.New("it sent a message of more than " + strconv.Itoa(maxProviderMessage) + " bytes")
	}
	return errEnded
}

// appendMessage appends the message for a client that carries one of the provider's. A
// binary one has the form in which Node writes a Buffer in JSON, which is what clients
// read: they take the first byte of a shell's for its kind.
func appendMessage(b []byte, kind websocket.MessageType, data []byte) ([]byte, error) {
	b = append(b, `{"type":"websocket","message":`...)
	if kind == websocket.MessageText {
		text, err := json.Marshal(string(data))
		if err != nil {
			return nil, err
		}
		return append(append(b, text...), '}'), nil
	}
	b = append(b, `{"type":"Buffer","data":[`...)
	for i, value := range data {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(value), 10)
	}
	return append(b, `]}}`...), nil
}

// unsent holds messages for a provider until it takes them, maxUnsent bytes at most.
type unsent struct {
	over  <-chan struct{} // closed when none are taken any more
	mu    sync.Mutex
	queue [][]byte
	size  int
	// filled and emptied are signals, of which one is kept.
	filled, emptied chan struct{}
}

func newUnsent(over <-chan struct{}) *unsent {
	return &unsent{over: over, filled: make(chan struct{}, 1), emptied: make(chan struct{}, 1)}
}

// put adds a message, and waits while there is no room.
func (u *unsent) put(ctx context.Context, data []byte) {
	for {
		u.mu.Lock()
		if u.size == 0 || u.size+len(data) <= maxUnsent {
			u.queue = append(u.queue, data)
			u.size += len(data)
			u.mu.Unlock()
			signal(u.filled)
			return
		}
		u.mu.Unlock()
		select {
		case <-u.emptied:
		case <-u.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// waiting reports whether there are messages to take.
func (u *unsent) waiting() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.queue) > 0
}

// take returns the next message, and waits for it. It reports false if ctx ends first.
func (u *unsent) take(ctx context.Context) ([]byte, bool) {
	for {
		u.mu.Lock()
		if len(u.queue) > 0 {
			data := u.queue[0]
			u.queue[0] = nil
			u.queue = u.queue[1:]
			u.size -= len(data)
			u.mu.Unlock()
			signal(u.emptied)
			return data, true
		}
		u.mu.Unlock()
		select {
		case <-u.filled:
		case <-ctx.Done():
			return nil, false
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
