package fake_test

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/testserver/fake"
)

// shellQuery is the query of a shell in the first pod of the service web.
func shellQuery(tty, stdin string, command ...string) string {
	query := url.Values{"tty": {tty}, "stdin": {stdin}, "service": {"web"}, "podIndex": {"0"}}
	for i, part := range command {
		query.Set("cmd"+strconv.Itoa(i), part)
	}
	return "/shell?" + query.Encode()
}

// shellOutput is the output of a process on its socket.
type shellOutput struct {
	stdout, stderr bytes.Buffer
	last           byte // the code of the last frame
	result         string
}

// readShell reads frames until the last one, or until want has arrived on stdout.
func readShell(t *testing.T, ws *websocket.Conn, want string) *shellOutput {
	t.Helper()
	var o shellOutput
	for want == "" || !strings.Contains(o.stdout.String(), want) {
		kind, frame, err := ws.ReadMessage()
		require.NoError(t, err, "after %q", o.stdout.String())
		require.Equal(t, websocket.BinaryMessage, kind)
		switch o.last = frame[0]; o.last {
		case 100:
			o.stdout.Write(frame[1:])
		case 101:
			o.stderr.Write(frame[1:])
		case 102, 103:
			o.result = string(frame[1:])
			_, _, err := ws.ReadMessage()
			assert.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure), "dropped without a Close frame: %v", err)
			return &o
		}
	}
	return &o
}

func sendShell(t *testing.T, ws *websocket.Conn, code byte, payload string) {
	t.Helper()
	require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, append([]byte{code}, payload...)))
}

func TestShellRunsAProcess(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Shell: true})
	o := readShell(t, socket(t, s, leasePath(s)+shellQuery("0", "0", "sh", "-c", "echo out; echo err >&2; exit 3")), "")
	assert.Equal(t, "out\n", o.stdout.String())
	assert.Equal(t, "err\n", o.stderr.String())
	assert.Equal(t, "{\"exit_code\":3}\n", o.result)

	o = readShell(t, socket(t, s, leasePath(s)+shellQuery("0", "0", "sh", "-c", "kill -9 $$")), "")
	assert.Equal(t, "{\"exit_code\":137}\n", o.result)
}

func TestShellWithATerminal(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Shell: true})
	ws := socket(t, s, leasePath(s)+shellQuery("1", "1", "sh"))
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte("ignored")))
	size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, 120), 40)
	sendShell(t, ws, 105, string(size))
	sendShell(t, ws, 104, "PS1='next> '; while [ \"$(stty size)\" != '40 120' ]; do :; done; stty size; cat\n")
	readShell(t, ws, "40 120\r\n")
	sendShell(t, ws, 104, "hello\n")
	readShell(t, ws, "hello\r\nhello\r\n") // the terminal's echo, and cat's
	sendShell(t, ws, 104, "\x03")
	readShell(t, ws, "next> ")
	sendShell(t, ws, 104, "echo $?; exit 5\n")
	assert.Equal(t, "{\"exit_code\":5}\n", readShell(t, ws, "").result)
}

// As at the gateway.
func TestShellParameters(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Shell: true})
	dial := func(path string) *http.Response {
		dialer := websocket.Dialer{TLSClientConfig: insecure()}
		ws, response, err := dialer.Dial("wss://"+s.Ready().REST+leasePath(s)+path, http.Header{"Authorization": {"Bearer " + s.Ready().JWT}})
		require.Error(t, err)
		require.Nil(t, ws)
		return response
	}
	for _, missing := range []string{"cmd0", "tty", "stdin", "service", "podIndex"} {
		query, err := url.ParseQuery(strings.TrimPrefix(shellQuery("0", "0", "true"), "/shell?"))
		require.NoError(t, err)
		query.Del(missing)
		response := dial("/shell?" + query.Encode())
		assert.Equal(t, http.StatusBadRequest, response.StatusCode, missing)
		assert.Zero(t, response.ContentLength, missing)
	}
	o := readShell(t, socket(t, s, leasePath(s)+shellQuery("no", "yes", "printf", "[%s]", "a", "", "b")), "")
	assert.Equal(t, "[a]", o.stdout.String(), "an empty part ends the command")
}

func TestShellThatCannotRun(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Shell: true})
	for path, want := range map[string]string{
		leasePath(s) + shellQuery("0", "0", "nosuchprogram"):                                             "command could not be executed because it does not exist",
		leasePath(s) + strings.Replace(shellQuery("0", "0", "true"), "podIndex=0", "podIndex=3", 1):      "pod index out of range: valid range is [0, 2]",
		leasePath(s) + strings.Replace(shellQuery("0", "0", "true"), "service=web", "service=nobody", 1): "kube: no service for that lease",
	} {
		assert.Contains(t, readShell(t, socket(t, s, path), "").result, want)
	}
	o := readShell(t, socket(t, s, "/lease/1/1/1"+shellQuery("0", "1", "echo", "hello")), "")
	assert.Equal(t, "{\"exit_code\":0}\n", o.result, "a lease that is not there")
	assert.Zero(t, o.stdout.Len())

	require.NoError(t, s.SetFault("shell-failure", ""))
	o = readShell(t, socket(t, s, leasePath(s)+shellQuery("0", "0", "true")), "")
	assert.EqualValues(t, 103, o.last)
	assert.Empty(t, o.result)

	closed := start(t, fake.Options{Seed: 7})
	o = readShell(t, socket(t, closed, leasePath(closed)+shellQuery("0", "0", "true")), "")
	assert.Contains(t, o.result, "command execution failed", "without Options.Shell")
	_, err := fake.Start(t.Context(), fake.Options{Shell: true, REST: "0.0.0.0:0"})
	assert.ErrorContains(t, err, "loopback")
}

// A process that does not read its standard input for longer than the pong timeout
// gets no more of it, if the client answers pings.
func TestShellForgetsAPatientClient(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Shell: true, PingInterval: 100 * time.Millisecond})
	const size = 4 << 20
	for answers, want := range map[bool]string{true: "timeout\n", false: "4194304\n"} {
		ws := socket(t, s, leasePath(s)+shellQuery("0", "1", "sh", "-c", `sleep 1; timeout 4 head -c 4194304 | wc -c | grep -x 4194304 || echo timeout`))
		pinged := make(chan struct{}, 100)
		pong := ws.PingHandler()
		ws.SetPingHandler(func(text string) error {
			defer func() { pinged <- struct{}{} }()
			if answers {
				_ = pong(text) // the provider may be gone, and its last frames still to be read
			}
			return nil
		})
		got := make(chan string)
		go func() { got <- readShell(t, ws, "").stdout.String() }()
		<-pinged
		for range size / (64 << 10) {
			if ws.WriteMessage(websocket.BinaryMessage, append([]byte{104}, make([]byte, 64<<10)...)) != nil {
				break
			}
		}
		assert.Equal(t, want, <-got, "answers pings: %v", answers)
	}
}
