package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// restAttacks are attacks by a provider's REST gateway. The bridge holds 1 MiB of a status,
// decoding it takes ten times that, and the collector lets garbage be twice what is live.
var restAttacks = []attack{
	{name: "REST: endless body", grows: 128 << 20, short: true, run: hostileREST(body("", func(ctx context.Context, w io.Writer) error {
		return forever(ctx, w, bytes.Repeat([]byte("x"), 1<<16))
	}))},
	{name: "REST: endless JSON string", grows: 128 << 20, run: hostileREST(body("", func(ctx context.Context, w io.Writer) error {
		io.WriteString(w, `{"cluster":{"leases":"`)
		return forever(ctx, w, bytes.Repeat([]byte("x"), 1<<16))
	}))},
	{name: "REST: endless JSON array", grows: 128 << 20, run: hostileREST(body("", func(ctx context.Context, w io.Writer) error {
		io.WriteString(w, `{"cluster":{"inventory":{"active":[{}`)
		return forever(ctx, w, []byte(strings.Repeat(",{}", 10_000)))
	}))},
	{name: "REST: deep JSON", grows: 128 << 20, run: hostileREST(body("", func(ctx context.Context, w io.Writer) error {
		_, err := io.WriteString(w, strings.Repeat("[", 4<<20-100))
		return err
	}))},
	// As large and as full as it may be.
	{name: "REST: largest status", fine: true, grows: 256 << 20, run: hostileREST(body("", func(ctx context.Context, w io.Writer) error {
		node := `{"name":"` + strings.Repeat("n", 60) + `","allocatable":{"cpu":1,"gpu":2,"memory":3,"storage_ephemeral":4},"available":{"cpu":1,"gpu":2,"memory":3,"storage_ephemeral":4}}`
		_, err := io.WriteString(w, `{"cluster":{"inventory":{"available":{"nodes":[`+strings.Repeat(node+",", 4900)+node+`]}}}}`)
		return err
	}))},
	{name: "REST: 4 MB of JSON", grows: 128 << 20, run: hostileREST(body("", func(ctx context.Context, w io.Writer) error {
		_, err := io.WriteString(w, `{"cluster":{"inventory":{"active":[`+strings.Repeat(`{"cpu":1},`, 400_000)+`{}]}}}`)
		return err
	}))},
	{name: "REST: gzip bomb", short: true, run: hostileREST(body("gzip", bomb(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })))},
	{name: "REST: deflate bomb", run: hostileREST(body("deflate", bomb(func(w io.Writer) io.WriteCloser {
		z, _ := flate.NewWriter(w, flate.BestCompression)
		return z
	})))},
	{name: "REST: slow drip", run: hostileREST(body("", func(ctx context.Context, w io.Writer) error {
		for ctx.Err() == nil {
			if _, err := io.WriteString(w, " "); err != nil {
				return err
			}
			pause(ctx, 100*time.Millisecond)
		}
		return nil
	}))},
	{name: "REST: endless headers", run: hostileREST(func(ctx context.Context, w io.Writer) error {
		io.WriteString(w, "HTTP/1.1 200 OK\r\n")
		return forever(ctx, w, []byte(strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 16)))
	})},
	{name: "REST: informational answers", run: hostileREST(func(ctx context.Context, w io.Writer) error {
		return forever(ctx, w, []byte(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000)))
	})},
	{name: "REST: tiny chunks", run: hostileREST(func(ctx context.Context, w io.Writer) error {
		io.WriteString(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		return forever(ctx, w, []byte(strings.Repeat("1;"+strings.Repeat("x", 100)+"\r\n \r\n", 1000)))
	})},
	{name: "REST: silence", run: hostileREST(func(ctx context.Context, w io.Writer) error { <-ctx.Done(); return nil })},
	{name: "WebSocket of provider: fragments", short: true, run: hostileLogs(func(ctx context.Context, w io.Writer) error {
		w.Write([]byte{0x01, 0})
		return forever(ctx, w, bytes.Repeat([]byte{0x00, 0}, 8000))
	})},
	{name: "WebSocket of provider: pings", run: hostileLogs(func(ctx context.Context, w io.Writer) error {
		return forever(ctx, w, bytes.Repeat(append([]byte{0x89, 125}, make([]byte, 125)...), 500))
	})},
	{name: "WebSocket of provider: huge frame", run: hostileLogs(func(ctx context.Context, w io.Writer) error {
		w.Write([]byte{0x81, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		return forever(ctx, w, make([]byte, 1<<16))
	})},
	{name: "WebSocket of provider: endless line", run: hostileLogs(func(ctx context.Context, w io.Writer) error {
		return forever(ctx, w, serverFrame(0x81, `{"name":"web-7f8b9c6d5-x2x9p","message":"`+strings.Repeat("x", 60_000)+`"}`))
	})},
	{name: "WebSocket of provider: many pods", run: hostileLogs(func(ctx context.Context, w io.Writer) error {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := w.Write(serverFrame(0x81, fmt.Sprintf(`{"name":"web-7f8b9c6d5-%05d","message":"x"}`, i))); err != nil {
				return err
			}
		}
		return nil
	})},
	{name: "WebSocket of provider: silence", run: hostileLogs(func(ctx context.Context, w io.Writer) error { <-ctx.Done(); return nil })},
}

func forever(ctx context.Context, w io.Writer, chunk []byte) (err error) {
	for err == nil && ctx.Err() == nil {
		_, err = w.Write(chunk)
	}
	return err
}

// bomb writes 10 GiB of blanks, compressed to ten megabytes.
func bomb(compress func(io.Writer) io.WriteCloser) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		z := compress(w)
		blanks := bytes.Repeat([]byte(" "), 1<<20)
		for range 10 << 10 {
			if ctx.Err() != nil {
				return nil
			}
			if _, err := z.Write(blanks); err != nil {
				return err
			}
		}
		return z.Close()
	}
}

// body is an answer with a body.
func body(encoding string, write func(context.Context, io.Writer) error) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
		if encoding != "" {
			head += "Content-Encoding: " + encoding + "\r\n"
		}
		if _, err := io.WriteString(w, head+"\r\n"); err != nil {
			return err
		}
		return write(ctx, w)
	}
}

// hostileREST is a provider of an old version, which has REST only, whose status is
// whatever write writes.
func hostileREST(write func(context.Context, io.Writer) error) func(context.Context, *target) error {
	return func(ctx context.Context, t *target) error {
		host, pin, stop, err := serveREST(ctx, func(ctx context.Context, r *http.Request, conn net.Conn) { _ = write(ctx, conn) })
		if err != nil {
			return err
		}
		defer stop()
		callVictims(ctx, t, func(ctx context.Context) answer {
			return callStatus(ctx, victimClient, t.Bridge, stranger, host, victimTimeout, "Akash-Tls", pin)
		})
		return nil
	}
}

// hostileLogs is a provider whose log's WebSocket carries whatever write writes.
func hostileLogs(write func(context.Context, io.Writer) error) func(context.Context, *target) error {
	return func(ctx context.Context, t *target) error {
		status := `{"services":{"web":{"available":1,"total":1,"replicas":1,"updated_replicas":1,"ready_replicas":1,"available_replicas":1}}}`
		host, pin, stop, err := serveREST(ctx, func(ctx context.Context, r *http.Request, conn net.Conn) {
			key := r.Header.Get("Sec-WebSocket-Key")
			if key == "" {
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(status), status)
				return
			}
			sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
			go io.Copy(io.Discard, conn)
			_ = write(ctx, conn)
		})
		if err != nil {
			return err
		}
		defer stop()
		callVictims(ctx, t, func(ctx context.Context) answer {
			return callLogs(ctx, t, victimClient, stranger, host, pin, victimTimeout)
		})
		return nil
	}
}

// serveREST serves a provider's REST gateway, one request a connection, until stop.
func serveREST(ctx context.Context, serve func(ctx context.Context, r *http.Request, conn net.Conn)) (host, pin string, stop func(), err error) {
	l, host, pin, err := listenTLS()
	if err != nil {
		return "", "", nil, err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	accept(serving, l, func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		switch {
		case err != nil:
		case r.URL.Path == "/version":
			const version = `{"akash":{"version":"v0.4.8"}}`
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(version), version)
		default:
			serve(serving, r, conn)
		}
	})
	return host, pin, stop, nil
}

// serverFrame is a frame of a server, which is not masked.
func serverFrame(first byte, payload string) []byte {
	b := wsFrame(first, []byte(payload))
	head := len(b) - len(payload) - 4
	b[1] &^= 0x80
	return append(b[:head], payload...)
}
