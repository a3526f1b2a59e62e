package rest

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/internal/coalesce"
	"akash-provider-web/bridge/provider"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// The benchmark's load: lines of about burstBytes, from burstPods pods in turn.
const (
	burstLines = 100_000
	burstBytes = 120
	burstPods  = 3
)

// BenchmarkBurst measures how many log lines the bridge moves per second of CPU time, from
// the provider's WebSocket (TLS 1.3) to gRPC-Web over HTTP/1.1. Provider and page run in
// processes of their own, whose CPU time is not counted. The peer is a plain translation:
// one message per line, with encoding/json and protobuf-go.
func BenchmarkBurst(b *testing.B) {
	for _, way := range []struct {
		name  string
		dial  func(ctx context.Context, network, addr string) (net.Conn, error)
		serve func(*provider.Endpoint, http.ResponseWriter, *http.Request) error
	}{{"adapter", dialCoalesced, serveAdapter}, {"plain", dialPlain, servePlain}} {
		b.Run(way.name, func(b *testing.B) {
			benchmarkLog(b, burst{lines: burstLines}, way.dial, way.serve)
		})
	}
}

// BenchmarkSteady measures the same for lines that come one by one, in lines a second.
func BenchmarkSteady(b *testing.B) {
	for _, rate := range []int{1000, 5000, 20_000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			benchmarkLog(b, burst{lines: 2 * rate, rate: rate}, dialCoalesced, serveAdapter)
		})
	}
}

// A burst is what the provider writes: so many lines, and of them so many a second, or
// as fast as it can if rate is 0.
type burst struct{ lines, rate int }

func benchmarkLog(b *testing.B, log burst,
	dial func(ctx context.Context, network, addr string) (net.Conn, error),
	serve func(*provider.Endpoint, http.ResponseWriter, *http.Request) error,
) {
	gateway := startRole(b, "provider")
	e := &provider.Endpoint{
		Method:    provider.REST,
		HostURI:   gateway.say(b, fmt.Sprint(log.lines, log.rate)),
		Transport: &http.Transport{DialTLSContext: dial},
	}
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc-web+proto")
		if err := serve(e, w, r); err != nil {
			b.Error(err)
		}
	}))
	defer bridge.Close()
	page := startRole(b, "page")

	before := processorTime(b)
	for b.Loop() {
		var received int
		_, err := fmt.Sscan(page.say(b, bridge.URL), &received)
		require.NoError(b, err)
		require.Greater(b, received, log.lines*burstBytes)
	}
	spent := processorTime(b) - before
	b.ReportMetric(float64(b.N*log.lines)/spent.Seconds(), "lines/cpu-s")
	b.ReportMetric(spent.Seconds()*1e9/float64(b.N*log.lines), "cpu-ns/line")
}

var burstTLS = &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}

// dialCoalesced connects as package provider does for a WebSocket.
func dialCoalesced(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	conn := coalesce.NewConn(raw)
	conn.Coalesce()
	return tls.Client(conn, burstTLS), nil
}

func dialPlain(ctx context.Context, network, addr string) (net.Conn, error) {
	return (&tls.Dialer{Config: burstTLS}).DialContext(ctx, network, addr)
}

func serveAdapter(e *provider.Endpoint, w http.ResponseWriter, r *http.Request) error {
	message, err := proto.Marshal(&leasev1.ServiceLogsRequest{LeaseId: testLease()})
	if err != nil {
		return err
	}
	call := &Call{Endpoint: e, Provider: testProvider, Method: leasev1.LeaseRPC_ServiceLogs_FullMethodName, Message: message, Tail: -1}
	return New(Options{}).Serve(r.Context(), call, frameWriter(w))
}

func servePlain(e *provider.Endpoint, w http.ResponseWriter, r *http.Request) error {
	conn, _, err := websocket.Dial(r.Context(), e.HostURI+"/lease/1234/1/1/logs?tail=-1", &websocket.DialOptions{HTTPClient: &http.Client{Transport: e.Transport}})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	send := frameWriter(w)
	for {
		_, data, err := conn.Read(r.Context())
		if err != nil {
			return nil // the end of the log
		}
		var line struct {
			Name    string `json:"name"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(data, &line); err != nil {
			return err
		}
		message, err := proto.Marshal(&leasev1.ServiceLogsResponse{Services: []*leasev1.ServiceLogs{{Name: line.Name, Logs: []byte(line.Message + "\n")}}})
		if err != nil {
			return err
		}
		if err := send(message); err != nil {
			return err
		}
	}
}

// frameWriter writes messages as gRPC-Web does, and flushes each of them.
func frameWriter(w http.ResponseWriter) func([]byte) error {
	return func(message []byte) error {
		var prefix [5]byte
		binary.BigEndian.PutUint32(prefix[1:], uint32(len(message)))
		if _, err := w.Write(prefix[:]); err != nil {
			return err
		}
		_, err := w.Write(message)
		w.(http.Flusher).Flush()
		return err
	}
}

// processorTime returns the CPU time that this process has used so far.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// roleVariable is the environment variable that makes the test binary run as the provider
// or the page.
const roleVariable = "REST_BURST_ROLE"

// playRole runs the role that roleVariable names, and then does not return. Without the
// variable it does nothing.
func playRole() {
	switch os.Getenv(roleVariable) {
	case "provider":
		playProvider()
	case "page":
		playPage()
	default:
		return
	}
	os.Exit(0)
}

// playProvider reads how much to serve and how fast (lines and rate of a burst), and
// prints its address.
func playProvider() {
	var log burst
	lines := make([][]byte, 1000)
	for i := range lines {
		message := fmt.Sprintf("2026-11-20T12:26:45.%09dZ level=info svc=web seq=%d msg=\"héllo ✓ request served\" ", i*7919, i)
		message += strings.Repeat("x", max(0, burstBytes-len(message)))
		lines[i], _ = json.Marshal(struct {
			Name    string `json:"name"`
			Message string `json:"message"`
		}{fmt.Sprintf("web-7f8b9c6d5-%05d", i%burstPods), message})
		lines[i] = append(lines[i], '\n')
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/lease/1234/1/1/status", says(http.StatusOK, fmt.Sprintf(`{"services":{"web":{"available":%d,"total":%[1]d}}}`, burstPods)))
	mux.HandleFunc("/lease/1234/1/1/logs", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		start := time.Now()
		first := 0
		if tail, err := strconv.Atoi(r.URL.Query().Get("tail")); err == nil && tail >= 0 {
			first = max(log.lines-tail*burstPods, 0) // the pods take turns
		}
		for i := first; i < log.lines; i++ {
			if log.rate > 0 {
				time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(log.rate))))
			}
			if conn.Write(context.Background(), websocket.MessageText, lines[i%len(lines)]) != nil {
				return
			}
		}
	})
	srv := httptest.NewUnstartedServer(mux)
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	srv.StartTLS()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if _, err := fmt.Sscan(in.Text(), &log.lines, &log.rate); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(srv.URL)
	}
}

// playPage posts to the address in each line of input, and prints the length of the
// answer.
func playPage() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		resp, err := http.Post(in.Text(), "application/grpc-web+proto", nil)
		if err != nil {
			fmt.Println(err)
			continue
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		fmt.Println(n, err)
	}
}

// role is a process that answers each line of input with a line of output.
type role struct {
	in  io.Writer
	out *bufio.Reader
}

func startRole(b *testing.B, name string) *role {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &role{in: in, out: bufio.NewReader(out)}
}

func (r *role) say(b *testing.B, line string) string {
	_, err := fmt.Fprintln(r.in, line)
	require.NoError(b, err)
	answer, err := r.out.ReadString('\n')
	require.NoError(b, err)
	return strings.TrimSpace(answer)
}
