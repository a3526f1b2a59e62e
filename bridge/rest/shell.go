package rest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// The first byte of a frame on a shell's WebSocket (proto/akash-provider-api.md,
// section 2.10).
const (
	shellStdout  = 100
	shellStderr  = 101
	shellResult  = 102
	shellFailure = 103
	shellStdin   = 104
	shellResize  = 105
)

const (
	// maxCommand bounds a command, in bytes: it goes into the URL.
	maxCommand = 64 << 10
	// maxStdin bounds one piece of standard input, in bytes.
	maxStdin = 64 << 10
	// maxUntaken is how many bytes of standard input are held for the provider.
	maxUntaken = 1 << 20
	// takenStep is after how many bytes at most the caller is told that they are taken.
	takenStep = 32 << 10
	// maxStalled is how long output may wait for the caller before the provider's
	// silence proves nothing: a gateway that cannot send a ping within 5 s never
	// sends another.
	maxStalled = 3 * time.Second
	// hangUpTime bounds how long a last word to a gateway may take.
	hangUpTime = time.Second
	// hangUpPause is the time that a program has to end before the shell behind it is
	// spoken to: what comes sooner, the program may still read.
	hangUpPause = 200 * time.Millisecond
)

// hangUp is what ends a shell on a terminal: ctrl-C for the program in front, and
// ctrl-D for the shell behind it.
var hangUp = []string{"\x03", "\x04"}

// shell answers LeaseShell/Shell from the WebSocket of a process.
func shell(ctx context.Context, x *exchange) error {
	start, err := x.shellStart(ctx)
	if err != nil {
		return err
	}
	// The socket outlives ctx by a last word to the process.
	lasting, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s, err := x.dial(lasting, ctx, shellRoute(start))
	if err != nil {
		return err
	}
	defer s.close()
	// A gateway reads nothing while the process leaves its standard input unread, and
	// takes a pong that it cannot read in time for the end of the client: it then
	// drops all further input, without a word. It does not miss pongs that were never
	// sent.
	s.frames.mute = true
	x.opened()

	p := &process{exchange: x, start: start, socket: s, input: newInputQueue(), room: newOutputRoom(start.GetWindow())}
	running, stop := context.WithCancelCause(ctx)
	var workers sync.WaitGroup
	workers.Go(func() {
		if err := p.readRequests(running); err != nil {
			stop(err)
		}
	})
	workers.Go(p.writeInput)
	workers.Go(func() {
		<-running.Done()
		p.leave()
	})
	err = p.readOutput(running)
	if running.Err() == nil {
		p.ended.Store(true)
	} else if ctx.Err() == nil {
		err = context.Cause(running) // the caller's request was wrong
	}
	stop(nil)
	workers.Wait()
	return err
}

// shellStart reads the first request, which must be a start.
func (x *exchange) shellStart(ctx context.Context) (*webv1.ShellStart, error) {
	message, err := x.call.Next(ctx)
	if err != nil {
		return nil, err
	}
	var request webv1.ShellRequest
	if err := x.decode(message, &request); err != nil {
		return nil, err
	}
	start := request.GetStart()
	if start == nil {
		return nil, badRequest("the first request of a shell must be a start")
	}
	if err := x.checkLease(start.GetLeaseId()); err != nil {
		return nil, err
	}
	if start.GetService() == "" {
		return nil, badRequest("a shell needs the name of a service")
	}
	if err := checkServiceName(start.GetService()); err != nil {
		return nil, err
	}
	return start, checkCommand(start)
}

// checkCommand returns an error if the gateway would run something other than what was
// asked for, or could not be asked.
func checkCommand(start *webv1.ShellStart) error {
	size := 0
	for i, part := range start.GetCommand() {
		switch {
		case part == "":
			return badRequest("part %d of the command is empty: a provider takes it for the command's end; for an empty argument, run sh -c with the whole command in one part", i)
		case strings.Contains(part, "\x00"):
			return badRequest("part %d of the command has a zero byte, which no program can be given", i)
		}
		size += len(part)
	}
	switch {
	case size == 0:
		return badRequest("a shell needs a command")
	case size > maxCommand:
		return badRequest("the command is longer than %d bytes: send what is long as standard input", maxCommand)
	case start.GetPodIndex() > math.MaxInt32:
		return badRequest("a pod's index is %d at most", math.MaxInt32)
	}
	return nil
}

func badRequest(format string, args ...any) error {
	return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonRequestRefused, format, args...)
}

// shellRoute is the route of a process.
func shellRoute(start *webv1.ShellStart) route {
	r := leaseRoute(start.GetLeaseId(), "shell", scopeShell)
	r.query = url.Values{
		"tty":      {bit(start.GetTty())},
		"stdin":    {bit(start.GetStdin())},
		"service":  {start.GetService()},
		"podIndex": {strconv.FormatUint(uint64(start.GetPodIndex()), 10)},
	}
	for i, part := range start.GetCommand() {
		r.query.Set("cmd"+strconv.Itoa(i), part)
	}
	return r
}

// bit is how a gateway reads a flag of a shell.
func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// process is a process in a container, while a call is connected to it.
type process struct {
	*exchange
	start  *webv1.ShellStart
	socket *socket
	input  *inputQueue
	room   *outputRoom
	ended  atomic.Bool // the provider has said its last word
	wrote  bool        // there was output

	sending sync.Mutex
}

// say sends a response to the caller.
func (p *process) say(response *webv1.ShellResponse) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	return p.reply(response)
}

// readRequests reads what the caller wants of the process, until there is no more, or
// ctx ends, or a request makes no sense.
func (p *process) readRequests(ctx context.Context) error {
	for {
		message, err := p.call.Next(ctx)
		switch {
		case err == io.EOF, ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		var request webv1.ShellRequest
		if err := p.decode(message, &request); err != nil {
			return err
		}
		if err := p.take(&request); err != nil {
			return err
		}
	}
}

// take does what the caller wants of the process.
func (p *process) take(request *webv1.ShellRequest) error {
	switch r := request.GetRequest().(type) {
	case *webv1.ShellRequest_Start:
		return badRequest("a shell has been started already; another needs a call of its own")
	case *webv1.ShellRequest_Stdin:
		switch {
		case !p.start.GetStdin():
			return badRequest("the process has no standard input: ask for it in start")
		case len(r.Stdin) > maxStdin:
			return badRequest("a piece of standard input is longer than %d bytes", maxStdin)
		case len(r.Stdin) > 0:
			p.input.put(r.Stdin)
		}
	case *webv1.ShellRequest_Resize:
		columns, rows := r.Resize.GetColumns(), r.Resize.GetRows()
		switch {
		case !p.start.GetTty() || !p.start.GetStdin():
			return badRequest("only a process with a terminal and standard input has a size: ask for both in start")
		case columns > math.MaxUint16 || rows > math.MaxUint16:
			return badRequest("a terminal has %d columns and rows at most", math.MaxUint16)
		}
		size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(columns)), uint16(rows))
		p.input.resize(size)
	case *webv1.ShellRequest_Used:
		p.room.free(int64(r.Used))
	}
	return nil
}

// writeInput sends frames to the provider, which takes them as the process reads, until
// the queue is closed.
func (p *process) writeInput() {
	var buf []byte
	taken := 0
	for {
		frame, ok := p.input.next()
		if !ok {
			return
		}
		buf = appendFrame(buf[:0], opBinary, []byte{frame.code}, frame.payload)
		if _, err := p.socket.conn.Write(buf); err != nil {
			// The process may have ended: readOutput knows.
			p.input.close()
			return
		}
		p.input.done(frame)
		if frame.code != shellStdin {
			continue
		}
		if taken += len(frame.payload); taken >= takenStep {
			// An error means that the caller has gone, which ends the call.
			_ = p.say(&webv1.ShellResponse{Response: &webv1.ShellResponse_Taken{Taken: uint32(taken)}})
			taken = 0
		}
	}
}

// leave ends the connection. Where that is not because the process has ended, a shell
// on a terminal is asked to end: a gateway leaves it running otherwise, with nobody
// who could ever reach it again.
func (p *process) leave() {
	p.input.close()
	if !p.ended.Load() && p.start.GetTty() && p.start.GetStdin() {
		late := time.AfterFunc(hangUpTime, func() { _ = p.socket.conn.Close() })
		defer late.Stop()
		for i, key := range hangUp {
			if i > 0 {
				time.Sleep(hangUpPause)
			}
			// An error means that the provider has gone, too.
			_, _ = p.socket.conn.Write(appendFrame(nil, opBinary, []byte{shellStdin}, []byte(key)))
		}
	}
	_ = p.socket.conn.Close()
}

// readOutput hands output to the caller until the process ends.
func (p *process) readOutput(ctx context.Context) error {
	for {
		waiting := time.Now()
		if err := p.room.wait(ctx); err != nil {
			return err
		}
		p.waited(waiting)
		frame, err := p.socket.read()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case isReason(err, rpcerror.ReasonProviderProtocol):
			return err
		case err != nil:
			return &rpcerror.Error{Code: codes.Unavailable, Reason: rpcerror.ReasonShellBroken, Err: err,
				Message: "the connection to the process broke; whether it still runs cannot be told, and it cannot be resumed: start another"}
		case len(frame) == 0:
			continue
		}
		response := &webv1.ShellResponse{}
		switch code, payload := frame[0], frame[1:]; code {
		case shellStdout:
			response.Response = &webv1.ShellResponse_Stdout{Stdout: payload}
		case shellStderr:
			response.Response = &webv1.ShellResponse_Stderr{Stderr: payload}
		case shellResult:
			return p.result(ctx, payload)
		case shellFailure:
			return rpcerror.New(codes.Internal, rpcerror.ReasonProviderFailed, "it failed to run the command, and does not say why")
		default:
			p.skip(FrameShell, frame)
			continue
		}
		if len(frame) == 1 {
			continue
		}
		p.wrote = true
		p.room.fill(int64(len(frame) - 1))
		waiting = time.Now()
		if err := p.say(response); err != nil {
			return err
		}
		p.waited(waiting)
	}
}

// waited ends the watch on a silent provider if the caller has let it wait for long.
func (p *process) waited(since time.Time) {
	if time.Since(since) > maxStalled {
		p.socket.unwatched.Store(true)
	}
}

// result hands the caller how the process ended.
func (p *process) result(ctx context.Context, frame []byte) error {
	var r struct {
		ExitCode *int32 `json:"exit_code"`
		Message  string `json:"message"`
	}
	if json.Unmarshal(frame, &r) != nil || r.ExitCode == nil {
		return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "its word of how the process ended cannot be read")
	}
	message := p.credential.words(r.Message)
	switch {
	case *r.ExitCode == 0 && message != "":
		return p.notRun(message)
	case *r.ExitCode == 0 && !p.wrote:
		if err := p.stillThere(ctx); err != nil {
			return err
		}
	}
	return p.say(&webv1.ShellResponse{Response: &webv1.ShellResponse_Result{
		Result: &webv1.ShellResult{ExitCode: *r.ExitCode, Message: message},
	}})
}

// notRun is the error of a process that could not be started, from the gateway's words.
func (p *process) notRun(text string) error {
	service := p.start.GetService()
	switch {
	case strings.Contains(text, "no such service"), strings.Contains(text, "no service for"):
		return rpcerror.New(codes.NotFound, rpcerror.ReasonUnknownService, "the lease has no service %q%s", service, said(text))
	case strings.Contains(text, "pod index out of range"):
		return rpcerror.New(codes.NotFound, rpcerror.ReasonNoRunningPods, "the service %q has no replica %d%s", service, p.start.GetPodIndex(), said(text))
	case strings.Contains(text, "not running"), strings.Contains(text, "no active replica"), strings.Contains(text, "not yet active"):
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonNoRunningPods, "the service %q does not run, or is not ready%s", service, said(text))
	case strings.Contains(text, "does not exist"):
		return rpcerror.New(codes.NotFound, rpcerror.ReasonCommandNotFound, "the container has no program %q%s", words([]byte(p.start.GetCommand()[0])), said(text))
	}
	return rpcerror.New(codes.Internal, rpcerror.ReasonProviderFailed, "it could not run the command%s", said(text))
}

// stillThere returns an error if the process that is said to have ended well never ran.
// A gateway that finds no lease, or cannot look, answers a command as if it had done
// its work without a word (https://github.com/akash-network/support/issues/646).
//
// It asks for the service's status, the only route of a lease that needs no scope.
func (p *process) stillThere(ctx context.Context) error {
	_, err := p.get(ctx, leaseRoute(p.start.GetLeaseId(), "service/"+p.start.GetService()+"/status", scopeShell), int64(statusLimits.Bytes))
	var known *rpcerror.Error
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case isReason(err, rpcerror.ReasonUnknownLease):
		return err
	case errors.As(err, &known) && isReason(err, rpcerror.ReasonProviderFailed) && strings.Contains(known.Message, "kube: no "):
		// Before v0.11.2 every error of the cluster is a 500.
		return rpcerror.New(codes.NotFound, rpcerror.ReasonUnknownLease, "it holds no such lease of this owner, or not yet its manifest%s", said(known.Message))
	case known == nil:
		return err
	}
	return rpcerror.New(codes.Unknown, rpcerror.ReasonOutcomeUnknown,
		"it says that the command ended well, without output, as it also does when the lease is closed; whether it is could not be found out: %w", known)
}

// inputFrame is a frame for the provider.
type inputFrame struct {
	code    byte
	payload []byte
}

// inputQueue holds what the provider has not taken yet, maxUntaken bytes at most, so
// that requests that follow standard input are heard while the process does not read.
type inputQueue struct {
	mu      sync.Mutex
	changed sync.Cond
	frames  []inputFrame
	size    int
	closed  bool
}

func newInputQueue() *inputQueue {
	q := &inputQueue{}
	q.changed.L = &q.mu
	return q
}

// put adds standard input, and waits while the queue is full.
func (q *inputQueue) put(stdin []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && q.size > maxUntaken-len(stdin) {
		q.changed.Wait()
	}
	if q.closed {
		return
	}
	q.frames = append(q.frames, inputFrame{shellStdin, stdin})
	q.size += len(stdin)
	q.changed.Broadcast()
}

// resize adds a size of the terminal, or has it replace the one that is in the queue.
func (q *inputQueue) resize(size []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	for i := range q.frames {
		if q.frames[i].code == shellResize {
			q.frames[i].payload = size
			return
		}
	}
	q.frames = append(q.frames, inputFrame{shellResize, size})
	q.changed.Broadcast()
}

// next takes a frame, which counts until done. It reports false once the queue is
// closed.
func (q *inputQueue) next() (inputFrame, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && len(q.frames) == 0 {
		q.changed.Wait()
	}
	if q.closed {
		return inputFrame{}, false
	}
	f := q.frames[0]
	q.frames[0] = inputFrame{}
	q.frames = q.frames[1:]
	return f, true
}

func (q *inputQueue) done(f inputFrame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if f.code == shellStdin {
		q.size -= len(f.payload)
	}
	q.changed.Broadcast()
}

// close drops what is in the queue, and what comes.
func (q *inputQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// outputRoom is how much output the caller has room for.
type outputRoom struct {
	window int64 // 0 is without bound

	mu     sync.Mutex
	unused int64
	more   chan struct{} // closed when there is less unused
}

func newOutputRoom(window uint32) *outputRoom {
	return &outputRoom{window: int64(window), more: make(chan struct{})}
}

// fill counts output as sent.
func (r *outputRoom) fill(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unused += n
}

// free counts output as used up.
func (r *outputRoom) free(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unused = max(0, r.unused-n)
	close(r.more)
	r.more = make(chan struct{})
}

// wait returns when there is room, or ctx ends.
func (r *outputRoom) wait(ctx context.Context) error {
	for {
		r.mu.Lock()
		room, more := r.window == 0 || r.unused < r.window, r.more
		r.mu.Unlock()
		if room {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
