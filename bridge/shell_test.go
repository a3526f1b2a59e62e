package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/internal/grpcwebtest"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

const pathShell = webv1.LeaseShell_Shell_FullMethodName

// shellCall is a call of LeaseShell/Shell over a WebSocket.
type shellCall struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn
	rest []byte // of frames, not read yet

	stdout, stderr bytes.Buffer
	taken          int
	result         *webv1.ShellResult
	header         http.Header // headers, then trailers
}

// started returns the start of a command in the first replica of the service web.
func (w *world) started(command ...string) *webv1.ShellStart {
	return &webv1.ShellStart{LeaseId: w.lease(), Service: "web", Command: command}
}

// shell starts a process.
func (w *world) shell(t *testing.T, start *webv1.ShellStart, header http.Header) *shellCall {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	conn, response, err := websocket.Dial(ctx, w.URL+pathShell, &websocket.DialOptions{Subprotocols: []string{"grpc-websockets"}, HTTPClient: w.HTTP})
	require.NoError(t, err)
	if response.Body != nil {
		response.Body.Close()
	}
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	header = header.Clone()
	header.Set("Content-Type", "application/grpc-web+proto")
	var lines bytes.Buffer
	require.NoError(t, header.Write(&lines))
	require.NoError(t, conn.Write(ctx, websocket.MessageBinary, lines.Bytes()))
	c := &shellCall{t: t, ctx: ctx, conn: conn, header: http.Header{}}
	c.send(&webv1.ShellRequest{Request: &webv1.ShellRequest_Start{Start: start}})
	return c
}

func (c *shellCall) send(r *webv1.ShellRequest) {
	c.t.Helper()
	require.NoError(c.t, c.write(r))
}

func (c *shellCall) write(r *webv1.ShellRequest) error {
	message, err := proto.Marshal(r)
	if err != nil {
		return err
	}
	return c.conn.Write(c.ctx, websocket.MessageBinary, append([]byte{0}, grpcwebtest.Frame(0, message)...))
}

func (c *shellCall) stdin(text string) {
	c.t.Helper()
	c.send(&webv1.ShellRequest{Request: &webv1.ShellRequest_Stdin{Stdin: []byte(text)}})
}

func (c *shellCall) resize(columns, rows uint32) {
	c.t.Helper()
	c.send(&webv1.ShellRequest{Request: &webv1.ShellRequest_Resize{Resize: &webv1.TerminalSize{Columns: columns, Rows: rows}}})
}

func (c *shellCall) used(n int) {
	c.t.Helper()
	c.send(&webv1.ShellRequest{Request: &webv1.ShellRequest_Used{Used: uint32(n)}})
}

// next takes the next response; nil at the end.
func (c *shellCall) next() *webv1.ShellResponse {
	c.t.Helper()
	for {
		if len(c.rest) >= 5 {
			if size := 5 + int(binary.BigEndian.Uint32(c.rest[1:])); size <= len(c.rest) {
				frame := c.rest[:size]
				c.rest = c.rest[size:]
				if frame[0]&grpcwebtest.FlagTrailer != 0 {
					for line := range strings.SplitSeq(string(frame[5:]), "\r\n") {
						if name, value, ok := strings.Cut(line, ": "); ok {
							c.header[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
						}
					}
					continue
				}
				var r webv1.ShellResponse
				require.NoError(c.t, proto.Unmarshal(frame[5:], &r))
				c.stdout.Write(r.GetStdout())
				c.stderr.Write(r.GetStderr())
				c.taken += int(r.GetTaken())
				if r.GetResult() != nil {
					c.result = r.GetResult()
				}
				return &r
			}
		}
		_, piece, err := c.conn.Read(c.ctx)
		if err != nil {
			require.NoError(c.t, c.ctx.Err(), "after %.200q", c.stdout.Bytes())
			return nil
		}
		c.rest = append(c.rest, piece...)
	}
}

// until reads until text has come on stdout since the last call.
func (c *shellCall) until(text string) {
	c.t.Helper()
	for !strings.Contains(c.stdout.String(), text) {
		require.NotNil(c.t, c.next(), "no %q in %.200q; %v", text, c.stdout.String(), c.header)
	}
	c.stdout.Next(strings.Index(c.stdout.String(), text) + len(text))
}

// end reads to the end and returns the call's code.
func (c *shellCall) end() string {
	c.t.Helper()
	for c.next() != nil {
	}
	return c.header.Get("Grpc-Status")
}

func (w *world) running(t *testing.T) int {
	t.Helper()
	var shells struct{ Running int }
	w.control(t, http.MethodGet, "/shells", "", &shells)
	return shells.Running
}

func TestAShellRunsOnATerminal(t *testing.T) {
	for _, version := range []string{"0.16.0", "0.8.4"} {
		w := startWorld(t, fake.Options{Seed: 5, Shell: true, ProviderVersion: version})
		for name, header := range map[string]http.Header{"token": w.withToken(), "certificate": w.withCertificate(t, "valid")} {
			t.Run(version+" "+name, func(t *testing.T) {
				start := w.started("sh")
				start.Tty, start.Stdin = true, true
				c := w.shell(t, start, header)
				c.resize(120, 40)
				c.stdin("PS1=ne'xt> '; until [ \"$(stty size)\" = '40 120' ]; do :; done; stty size; cat\n")
				c.until("40 120\r\n")
				c.stdin("grüße\n")
				c.until("grüße\r\ngrüße\r\n")
				c.stdin("\x03")
				c.until("next> ")
				c.resize(80, 24)
				c.stdin("until [ \"$(stty size)\" = '24 80' ]; do :; done; exit 7\n")
				assert.Equal(t, "0", c.end(), c.header)
				assert.EqualValues(t, 7, c.result.GetExitCode())
				assert.Equal(t, "rest", c.header.Get("Akash-Method"))
			})
		}
	}
}

func TestACommandThatNeedsNoAnswersRunsOverPOST(t *testing.T) {
	w := startWorld(t, fake.Options{Seed: 5, Shell: true})
	frames := func(requests ...*webv1.ShellRequest) (body []byte) {
		for _, r := range requests {
			message, err := proto.Marshal(r)
			require.NoError(t, err)
			body = append(body, grpcwebtest.Frame(0, message)...)
		}
		return body
	}
	start := w.started("sh", "-c", "head -c 5; echo out; echo err >&2; exit 3")
	start.Stdin = true
	s, err := w.OpenRaw(t.Context(), pathShell, w.withToken(), frames(
		&webv1.ShellRequest{Request: &webv1.ShellRequest_Start{Start: start}},
		&webv1.ShellRequest{Request: &webv1.ShellRequest_Stdin{Stdin: []byte("hel")}},
		&webv1.ShellRequest{Request: &webv1.ShellRequest_Stdin{Stdin: []byte("lo ")}},
	))
	require.NoError(t, err)
	defer s.Close()
	messages, err := s.Rest()
	require.NoError(t, err)
	var stdout, stderr string
	var result *webv1.ShellResult
	for _, m := range messages {
		var r webv1.ShellResponse
		require.NoError(t, proto.Unmarshal(m, &r))
		stdout, stderr = stdout+string(r.GetStdout()), stderr+string(r.GetStderr())
		if r.GetResult() != nil {
			result = r.GetResult()
		}
	}
	assert.Equal(t, "helloout\n", stdout)
	assert.Equal(t, "err\n", stderr)
	assert.EqualValues(t, 3, result.GetExitCode())
	assert.Equal(t, "0", s.Get("grpc-status"))
}

// Whatever becomes of a process, the caller is told what to make of it.
func TestAShellThatFailsSaysWhy(t *testing.T) {
	w := startWorld(t, fake.Options{Seed: 5, Shell: true})
	closed := w.started("echo", "hello")
	closed.LeaseId.Dseq++
	nobody := w.started("true")
	nobody.Service = "nobody"
	far := w.started("true")
	far.PodIndex = 9
	unsized := w.started("sh", "-c", "sleep 10")
	unsized.Tty = true
	for name, story := range map[string]struct {
		start  *webv1.ShellStart
		fault  string
		header http.Header
		send   *webv1.ShellRequest
		code   codes.Code
		reason string
		text   string
	}{
		"closed lease":       {start: closed, code: codes.NotFound, reason: "unknownLease"},
		"unknown service":    {start: nobody, code: codes.NotFound, reason: "unknownService"},
		"unknown replica":    {start: far, code: codes.NotFound, reason: "noRunningPods", text: "no replica 9"},
		"unknown program":    {start: w.started("nosuchprogram"), code: codes.NotFound, reason: "commandNotFound", text: `no program "nosuchprogram"`},
		"failure":            {start: w.started("true"), fault: "shell-failure", code: codes.Internal, reason: "providerFailed"},
		"no cluster":         {start: w.started("echo", "hello"), fault: "kube-down", code: codes.Unknown, reason: "outcomeUnknown"},
		"no pods":            {start: w.started("true"), fault: "no-pods", code: codes.Unavailable, reason: "noRunningPods"},
		"broken":             {start: w.started("echo", "hello"), fault: "shell-drop", code: codes.Unavailable, reason: "shellBroken"},
		"no command":         {start: w.started(), code: codes.InvalidArgument, reason: "requestRefused"},
		"empty argument":     {start: w.started("echo", "", "x"), code: codes.InvalidArgument, reason: "requestRefused", text: "part 1 of the command is empty"},
		"long command":       {start: w.started("echo", strings.Repeat("x", 70_000)), code: codes.InvalidArgument, reason: "requestRefused"},
		"no scope":           {start: w.started("true"), header: w.to("Authorization", "Bearer "+w.token(t, "", `{"leases":{"access":"scoped","scope":["logs","status"]}}`)), code: codes.PermissionDenied, reason: "scopeMissing", text: `"shell"`},
		"no credential":      {start: w.started("true"), header: w.to(), code: codes.Unauthenticated, reason: "credentialMissing"},
		"stdin not wanted":   {start: w.started("sleep", "10"), send: &webv1.ShellRequest{Request: &webv1.ShellRequest_Stdin{Stdin: []byte("x")}}, code: codes.InvalidArgument, reason: "requestRefused"},
		"size without stdin": {start: unsized, send: &webv1.ShellRequest{Request: &webv1.ShellRequest_Resize{Resize: &webv1.TerminalSize{Columns: 1, Rows: 1}}}, code: codes.InvalidArgument, reason: "requestRefused"},
		"started twice":      {start: w.started("sleep", "10"), send: &webv1.ShellRequest{Request: &webv1.ShellRequest_Start{Start: w.started("true")}}, code: codes.InvalidArgument, reason: "requestRefused"},
	} {
		t.Run(name, func(t *testing.T) {
			if story.fault != "" {
				w.control(t, http.MethodPost, "/fault?name="+story.fault, "", nil)
				defer w.control(t, http.MethodDelete, "/fault?name="+story.fault, "", nil)
			}
			if story.header == nil {
				story.header = w.withToken()
			}
			c := w.shell(t, story.start, story.header)
			if story.send != nil {
				c.send(story.send)
			}
			assert.Equal(t, fmt.Sprint(uint32(story.code)), c.end(), c.header)
			assert.Equal(t, story.reason, c.header.Get("Akash-Error"), c.header)
			assert.Contains(t, c.header.Get("Grpc-Message"), story.text)
			assert.Nil(t, c.result)
		})
	}
}

// A command that does its work without a word is not taken for one on a closed lease.
func TestASilentCommandSucceeds(t *testing.T) {
	w := startWorld(t, fake.Options{Seed: 5, Shell: true})
	scoped := w.token(t, "", `{"leases":{"access":"scoped","scope":["shell"]}}`)
	c := w.shell(t, w.started("true"), w.to("Authorization", "Bearer "+scoped))
	assert.Equal(t, "0", c.end(), c.header)
	assert.Zero(t, c.result.GetExitCode())
}

// What a provider sends after the result is no part of it.
func TestFramesAfterTheResultOfAShellAreIgnored(t *testing.T) {
	w := startWorld(t, fake.Options{Seed: 5, Shell: true, Faults: []string{"shell-late-frames"}})
	for range 20 {
		c := w.shell(t, w.started("echo", "hello"), w.withToken())
		assert.Equal(t, "0", c.end(), c.header)
		assert.Equal(t, "hello\n", c.stdout.String())
		assert.Zero(t, c.result.GetExitCode())
	}
}

// Output that nobody reads stays where it is made; sizes and standard input still pass.
func TestOutputThatNobodyReadsHoldsTheProcess(t *testing.T) {
	w := startWorld(t, fake.Options{Seed: 5, Shell: true})
	const total, window = 10 << 20, 128 << 10
	start := w.started("sh", "-c", fmt.Sprintf("stty raw -echo; head -c %d /dev/zero; head -c 4 >/dev/null; exit 9", total))
	start.Tty, start.Stdin, start.Window = true, true, window
	c := w.shell(t, start, w.withToken())
	for c.stdout.Len() < window {
		require.NotNil(t, c.next())
	}
	c.resize(10, 10)
	c.stdin("quit")
	held := c.stdout.Len()
	assert.Less(t, held, window+64<<10)
	got := 0
	for {
		got += c.stdout.Len()
		c.used(c.stdout.Len())
		c.stdout.Reset()
		if got == total {
			break
		}
		for c.stdout.Len() < min(window/2, total-got) {
			require.NotNil(t, c.next())
		}
	}
	assert.Equal(t, "0", c.end(), c.header)
	assert.EqualValues(t, 9, c.result.GetExitCode())
}

// Standard input that the process does not read waits with the caller, and what was
// used of the output is heard all the same: a process that first writes and then reads
// gets on.
func TestStandardInputThatNobodyReadsWaits(t *testing.T) {
	w := startWorld(t, fake.Options{Seed: 5, Shell: true})
	const total, window, step = 4 << 20, 64 << 10, 64 << 10
	start := w.started("sh", "-c", fmt.Sprintf("head -c %d /dev/zero; head -c %d | sha256sum", 1<<20, total))
	start.Stdin, start.Window = true, window
	c := w.shell(t, start, w.withToken())
	sum := sha256.New()
	piece := bytes.Repeat([]byte("input"), step)[:step]
	sent, written := 0, 0
	for c.result == nil {
		// No more than the bridge holds is on the way.
		for sent < total && sent-c.taken+step <= 256<<10 {
			c.send(&webv1.ShellRequest{Request: &webv1.ShellRequest_Stdin{Stdin: piece}})
			sum.Write(piece)
			sent += step
		}
		r := c.next()
		require.NotNil(t, r)
		if n := len(r.GetStdout()); n > 0 {
			written += n
			c.used(n)
		}
	}
	assert.Equal(t, "0", c.end())
	assert.Greater(t, written, 1<<20)
	assert.Contains(t, c.stdout.String(), fmt.Sprintf("%x", sum.Sum(nil)))
}

// A page that closes its shell takes the process with it.
func TestAShellThatIsLeftHangsUp(t *testing.T) {
	w := startWorld(t, fake.Options{Seed: 5, Shell: true})
	start := w.started("sh")
	start.Tty, start.Stdin = true, true
	c := w.shell(t, start, w.withToken())
	c.stdin("PS1=ne'xt> '\n")
	c.until("next> ")
	c.stdin("cat\n")
	c.until("cat\r\n")
	c.stdin("hello\n")
	c.until("hello\r\nhello\r\n")
	require.Equal(t, 1, w.running(t))
	c.conn.CloseNow()
	require.Eventually(t, func() bool { return w.running(t) == 0 }, 20*time.Second, 10*time.Millisecond)
}

// A hundred commands at a time lose nothing of what they write, however fast they are.
func TestFastCommandsLoseNoOutput(t *testing.T) {
	w := startWorld(t, fake.Options{Seed: 5, Shell: true})
	commands := make(chan int)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for i := range commands {
				message, _ := proto.Marshal(&webv1.ShellRequest{Request: &webv1.ShellRequest_Start{Start: w.started("echo", fmt.Sprint(i))}})
				s, err := w.OpenRaw(t.Context(), pathShell, w.withToken(), grpcwebtest.Frame(0, message))
				if !assert.NoError(t, err) {
					continue
				}
				messages, err := s.Rest()
				s.Close()
				assert.NoError(t, err)
				var got string
				for _, m := range messages {
					var r webv1.ShellResponse
					assert.NoError(t, proto.Unmarshal(m, &r))
					got += string(r.GetStdout())
				}
				assert.Equal(t, fmt.Sprintln(i), got)
			}
		})
	}
	for i := range 100 {
		commands <- i
	}
	close(commands)
	workers.Wait()
}

// A shell whose bridge is stopped says so.
func TestAShellEndsWithItsBridge(t *testing.T) {
	t.Parallel()
	w := startWorld(t, fake.Options{Seed: 5, Shell: true})
	start := w.started("cat")
	start.Stdin = true
	c := w.shell(t, start, w.withToken())
	c.stdin("hello")
	c.until("hello")
	ended := make(chan string)
	go func() { ended <- c.end() }()
	w.end(t)
	assert.Equal(t, "14", <-ended)
	assert.Equal(t, "bridgeStopping", c.header.Get("Akash-Error"))
}
