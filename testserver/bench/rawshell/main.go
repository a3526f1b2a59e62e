// Rawshell measures a provider's own WebSocket of a shell, for what goes through a
// bridge to be compared with: 100 MiB each way, and the time from a key to its echo. It
// prints one JSON object.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// The first byte of a frame (proto/akash-provider-api.md, section 2.10).
const (
	stdout = 100
	stdin  = 104
)

func main() {
	base := flag.String("url", "", "`URL` of the lease, wss://host:port/lease/dseq/gseq/oseq")
	token := flag.String("token", "", "the tenant's `JWT`")
	file := flag.String("file", "", "`path` of a file in the container to read")
	size := flag.Int("size", 100<<20, "its `bytes`, and how many to write")
	keys := flag.Int("keys", 500, "how many `keys` to press")
	flag.Parse()
	d := dialer{*base, *token}
	result := map[string]float64{}
	for name, measure := range map[string]func() (float64, error){
		"downSeconds": func() (float64, error) { return d.down(*file, *size) },
		"upSeconds":   func() (float64, error) { return d.up(*size) },
	} {
		took, err := measure()
		if err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		result[name] = took
	}
	times, err := d.echo(*keys)
	if err != nil {
		log.Fatalf("echo: %v", err)
	}
	slices.Sort(times)
	result["echoP50Ms"], result["echoP99Ms"] = times[len(times)/2], times[len(times)*99/100]
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

type dialer struct{ url, token string }

func (d dialer) open(tty string, command ...string) (*websocket.Conn, error) {
	query := url.Values{"service": {"web"}, "podIndex": {"0"}, "stdin": {"1"}, "tty": {tty}}
	for i, part := range command {
		query.Set("cmd"+strconv.Itoa(i), part)
	}
	dial := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a fake on this machine
	ws, _, err := dial.Dial(d.url+"/shell?"+query.Encode(), http.Header{"Authorization": {"Bearer " + d.token}})
	return ws, err
}

// down reads a file with cat.
func (d dialer) down(file string, size int) (seconds float64, err error) {
	start := time.Now()
	ws, err := d.open("0", "cat", file)
	if err != nil {
		return 0, err
	}
	defer ws.Close()
	for got := 0; got < size; {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			return 0, err
		}
		if frame[0] != stdout {
			return 0, fmt.Errorf("frame %d after %d bytes", frame[0], got)
		}
		got += len(frame) - 1
	}
	return time.Since(start).Seconds(), nil
}

// up writes a file with head.
func (d dialer) up(size int) (seconds float64, err error) {
	start := time.Now()
	ws, err := d.open("0", "sh", "-c", fmt.Sprintf("head -c %d >raw", size))
	if err != nil {
		return 0, err
	}
	defer ws.Close()
	piece := make([]byte, 1+64<<10)
	piece[0] = stdin
	for sent := 0; sent < size; sent += len(piece) - 1 {
		if err := ws.WriteMessage(websocket.BinaryMessage, piece[:1+min(size-sent, len(piece)-1)]); err != nil {
			return 0, err
		}
	}
	if _, _, err := ws.ReadMessage(); err != nil { // the result
		return 0, err
	}
	return time.Since(start).Seconds(), nil
}

// echo presses keys on a terminal.
func (d dialer) echo(keys int) (ms []float64, err error) {
	ws, err := d.open("1", "cat")
	if err != nil {
		return nil, err
	}
	defer ws.Close()
	for i := range keys {
		key := byte('x')
		if i%50 == 49 {
			key = 0x15 // ctrl-U, which clears the line
		}
		start := time.Now()
		if err := ws.WriteMessage(websocket.BinaryMessage, []byte{stdin, key}); err != nil {
			return nil, err
		}
		if _, _, err := ws.ReadMessage(); err != nil {
			return nil, err
		}
		ms = append(ms, float64(time.Since(start).Microseconds())/1000)
	}
	return ms, nil
}
