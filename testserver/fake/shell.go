package fake

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/gorilla/websocket"
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

// The messages of a gateway for a process that could not be started.
const (
	execNotRunning = "remote command execute error: service with that name is not running"
	execOutOfRange = "remote command execute error: pod index out of range"
	execNoCommand  = "remote command execute error: command could not be executed because it does not exist"
	execFailed     = "remote command execute error: command execution failed"
	noReplicas     = "no active replicase for service"
)

// copySize is the size of output frames: that of io.Copy, which Kubernetes' client uses.
const copySize = 32 << 10

// shellParams are the query parameters of a shell.
type shellParams struct {
	command    []string
	tty, stdin bool
	service    string
	pod        int
}

// parseShellParams parses them as the gateway does: all are required, only "1" means yes,
// and the first empty part of the command ends it.
func parseShellParams(r *http.Request) (s shellParams, ok bool) {
	query := r.URL.Query()
	for i := 0; ; i++ {
		part := query.Get("cmd" + strconv.Itoa(i))
		if part == "" {
			break
		}
		s.command = append(s.command, part)
	}
	tty, stdin := query.Get("tty"), query.Get("stdin")
	s.tty, s.stdin, s.service = tty == "1", stdin == "1", query.Get("service")
	pod, err := strconv.ParseUint(query.Get("podIndex"), 0, 31)
	s.pod = int(pod)
	return s, len(s.command) > 0 && tty != "" && stdin != "" && s.service != "" && err == nil
}

// shell runs a process in a container of the lease. As at the gateway, a missing parameter
// is a 400 with an empty body, the socket of a process without standard input is not read,
// standard input never ends, and the socket is dropped after the last frame.
func (p *provider) shell(w http.ResponseWriter, r *http.Request, id Lease) {
	params, ok := parseShellParams(r)
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	upgrader := websocket.Upgrader{}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the response was sent
	}
	ctx, cancel := context.WithCancel(r.Context()) // which ends with the provider
	defer cancel()
	defer p.counters.open(ctx, r.Pattern)()
	s := &shellSocket{ws: ws, provider: p, over: make(chan struct{})}
	var reading sync.WaitGroup
	if params.stdin {
		s.fromClient, s.toProcess = io.Pipe()
		if params.tty {
			s.sizes = make(chan pty.Winsize, 1)
		}
		reading.Go(s.read)
	}
	s.tell(s.run(ctx, id, params))
	ws.Close() // without a Close frame
	close(s.over)
	if params.stdin {
		s.fromClient.Close()
	}
	reading.Wait()
	s.inputs.Wait()
}

// shellSocket is the socket of one process.
type shellSocket struct {
	ws       *websocket.Conn
	provider *provider
	writing  sync.Mutex

	// Input from the client; nil without standard input.
	fromClient *io.PipeReader
	toProcess  *io.PipeWriter
	sizes      chan pty.Winsize // nil also without a terminal
	inputs     sync.WaitGroup   // goroutines that pass it to the process

	over chan struct{} // closed after the last frame was sent
}

// send sends a frame. It blocks while the client does not read.
func (s *shellSocket) send(code byte, payload []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.ws.WriteMessage(websocket.BinaryMessage, append([]byte{code}, payload...))
}

// read reads the client's frames until the client disconnects or sends an unknown one. It
// blocks while the process does not read. If that takes longer than the pong timeout, it
// reads no more.
func (s *shellSocket) read() {
	wait := pongWait * s.provider.server.options.PingInterval / DefaultPingInterval
	s.ws.SetPongHandler(func(string) error { return s.ws.SetReadDeadline(time.Now().Add(wait)) })
	if s.sizes != nil {
		defer close(s.sizes)
	}
	for {
		kind, data, err := s.ws.ReadMessage()
		if err != nil {
			return
		}
		if kind != websocket.BinaryMessage || len(data) == 0 {
			continue
		}
		code, data := data[0], data[1:]
		switch {
		case code == shellStdin:
			if _, err := s.toProcess.Write(data); err != nil {
				return
			}
		case code == shellResize && len(data) >= 4:
			if s.sizes == nil {
				continue
			}
			select {
			case s.sizes <- pty.Winsize{Cols: binary.BigEndian.Uint16(data), Rows: binary.BigEndian.Uint16(data[2:])}:
			case <-s.over:
				return
			}
		default:
			return
		}
	}
}

// ended is the result of a process, or why there was none.
type ended struct {
	code    int
	message string
	failed  bool // for a reason that a provider does not report
}

// run runs the process.
func (s *shellSocket) run(ctx context.Context, id Lease, params shellParams) ended {
	p := s.provider
	switch {
	case p.faults.has(FaultKubeDown), id != p.work.lease:
		// Neither error is reported to clients, and the gateway still sends the result
		// (https://github.com/akash-network/support/issues/646).
		return ended{}
	case p.faults.has(FaultShellFailure):
		return ended{failed: true}
	}
	services, _ := p.work.status(func(one Service) bool { return one.Name == params.service })
	switch {
	case len(services) == 0:
		return ended{message: noService}
	case services[0].GetStatus().GetReadyReplicas() == 0:
		return ended{message: noReplicas}
	case p.faults.has(FaultNoPods):
		return ended{message: execNotRunning}
	case params.pod >= int(services[0].GetStatus().GetTotal()):
		return ended{message: fmt.Sprintf("%s: valid range is [0, %d]", execOutOfRange, services[0].GetStatus().GetTotal()-1)}
	case !p.server.options.Shell:
		return ended{message: execFailed}
	}
	stopped := make(chan struct{})
	var pinging sync.WaitGroup
	pinging.Go(func() { s.ping(stopped) })
	defer pinging.Wait()
	defer close(stopped)
	return s.execute(ctx, params)
}

func (s *shellSocket) ping(stopped <-chan struct{}) {
	pings := time.NewTicker(s.provider.server.options.PingInterval)
	defer pings.Stop()
	for {
		select {
		case <-pings.C:
			if s.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(pingWrite)) != nil {
				return
			}
		case <-stopped:
			return
		}
	}
}

// tell sends the last frame.
func (s *shellSocket) tell(e ended) {
	if s.provider.faults.has(FaultShellDrop) {
		return
	}
	if e.failed {
		s.send(shellFailure, nil)
	} else {
		result, _ := json.Marshal(struct {
			ExitCode int    `json:"exit_code"`
			Message  string `json:"message,omitempty"`
		}{e.code, e.message}) // which cannot fail
		s.send(shellResult, append(result, '\n'))
	}
	if s.provider.faults.has(FaultShellLate) {
		s.send(shellStdout, []byte("late"))
		s.send(shellResult, []byte(`{"exit_code":99}`))
	}
}

// execute runs a program of this machine in the container's folder.
func (s *shellSocket) execute(ctx context.Context, params shellParams) ended {
	box, err := s.provider.boxes.of(params.service, params.pod, s.provider.faults.has(FaultShellBare))
	if err != nil {
		return ended{failed: true}
	}
	cmd, err := box.command(params.command)
	if err != nil {
		return ended{message: execNoCommand}
	}
	s.provider.boxes.running.Add(1)
	defer s.provider.boxes.running.Add(-1)
	start := s.startPipes
	if params.tty {
		start = s.startTerminal
	}
	var outputs sync.WaitGroup
	end, err := start(cmd, &outputs)
	if err != nil {
		return ended{message: execFailed}
	}
	kill := context.AfterFunc(ctx, func() { killSession(cmd) })
	defer kill()
	outputs.Wait()
	_ = cmd.Wait() // the process state has the result
	end()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return ended{code: 128 + int(status.Signal())}
	}
	return ended{code: cmd.ProcessState.ExitCode()}
}

// startTerminal starts a process on its own terminal. The returned function ends what is
// left after the process has ended.
func (s *shellSocket) startTerminal(cmd *exec.Cmd, outputs *sync.WaitGroup) (end func(), err error) {
	terminal, err := pty.Start(cmd)
	if err != nil {
		return nil, err
	}
	outputs.Go(func() { s.copy(shellStdout, terminal) })
	var open sync.Mutex // guards uses of the terminal's descriptor
	over := false
	if s.sizes != nil {
		s.inputs.Go(func() {
			for size := range s.sizes {
				open.Lock()
				if !over {
					_ = pty.Setsize(terminal, &size)
				}
				open.Unlock()
			}
		})
	}
	if s.fromClient != nil {
		s.inputs.Go(func() { _, _ = io.Copy(terminal, s.fromClient) })
	}
	return func() {
		open.Lock()
		over = true
		terminal.Close()
		open.Unlock()
		if s.fromClient != nil {
			s.fromClient.Close()
		}
	}, nil
}

// startPipes starts a process without a terminal.
func (s *shellSocket) startPipes(cmd *exec.Cmd, outputs *sync.WaitGroup) (end func(), err error) {
	newSession(cmd)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	var stdin io.WriteCloser
	if s.fromClient != nil {
		if stdin, err = cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	outputs.Go(func() { s.copy(shellStdout, stdout) })
	outputs.Go(func() { s.copy(shellStderr, stderr) })
	if stdin == nil {
		return func() {}, nil
	}
	s.inputs.Go(func() { _, _ = io.Copy(stdin, s.fromClient) })
	return func() {
		stdin.Close()
		s.fromClient.Close()
	}, nil
}

// copy sends output to its end. If the client has disconnected, the process may continue to
// write.
func (s *shellSocket) copy(code byte, output io.Reader) {
	piece := make([]byte, copySize)
	for gone := false; ; {
		n, err := output.Read(piece)
		if n > 0 && !gone {
			gone = s.send(code, piece[:n]) != nil
			if s.provider.faults.has(FaultShellDrop) {
				s.ws.Close()
			}
		}
		if err != nil {
			return
		}
	}
}
