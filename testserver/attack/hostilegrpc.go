package main

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"akash-provider-web/testserver/program"
)

// grpcAttacks are attacks by a provider on the bridge's own HTTP/2 client.
var grpcAttacks = []attack{
	{name: "gRPC: HPACK bomb", short: true, run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		block := append(c.headers(":status", "200", "x", strings.Repeat("a", 3900)), strings.Repeat("\xbe", 16_000)...)
		for first, rest := true, block; len(rest) > 0; first = false {
			n := min(len(rest), 16<<10)
			var err error
			if first {
				err = c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: rest[:n], EndHeaders: n == len(rest)})
			} else {
				err = c.WriteContinuation(id, n == len(rest), rest[:n])
			}
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})},
	{name: "gRPC: endless headers", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.headers(":status", "200")}); err != nil {
			return err
		}
		return endless(ctx, c, id, literals)
	})},
	{name: "gRPC: empty CONTINUATION flood", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.headers(":status", "200")}); err != nil {
			return err
		}
		return repeat(ctx, c, func(c *h2) error { return c.WriteContinuation(id, false, nil) })
	})},
	{name: "gRPC: endless trailers", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		if err := accepted(c, id); err != nil {
			return err
		}
		if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: true, BlockFragment: c.headers("grpc-status", "0")}); err != nil {
			return err
		}
		return endless(ctx, c, id, literals)
	})},
	{name: "gRPC: informational headers", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		block := c.headers(":status", "103")
		return repeat(ctx, c, func(c *h2) error {
			return c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: block})
		})
	})},
	{name: "gRPC: DATA past the window", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		if err := accepted(c, id); err != nil {
			return err
		}
		data := append([]byte{0, 0, 0x3f, 0xff, 0xff}, make([]byte, 16<<10-5)...)
		for ctx.Err() == nil {
			if err := c.WriteData(id, false, data); err != nil {
				return err
			}
		}
		return nil
	})},
	{name: "gRPC: a message of 4 GiB", short: true, run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		if err := accepted(c, id); err != nil {
			return err
		}
		if err := c.WriteData(id, false, binary.BigEndian.AppendUint32([]byte{0}, 1<<32-1)); err != nil {
			return err
		}
		return repeat(ctx, c, func(c *h2) error { return c.WriteData(id, false, make([]byte, 1024)) })
	})},
	{name: "gRPC: RST storm", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		return c.WriteRSTStream(id, http2.ErrCodeRefusedStream)
	})},
	{name: "gRPC: GOAWAY storm", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		defer c.Close()
		return c.WriteGoAway(0, http2.ErrCodeNo, []byte("again"))
	})},
	{name: "gRPC: GOAWAY flood", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		return repeat(ctx, c, func(c *h2) error { return c.WriteGoAway(1<<31-1, http2.ErrCodeNo, make([]byte, 8000)) })
	})},
	{name: "gRPC: PUSH_PROMISE", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		return c.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, EndHeaders: true, BlockFragment: c.headers(":method", "GET", ":path", "/")})
	})},
	{name: "gRPC: SETTINGS flood", short: true, run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		return repeat(ctx, c, func(c *h2) error { return c.WriteSettings() })
	})},
	{name: "gRPC: SETTINGS of 2,000 windows", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		var all []http2.Setting
		for i := range uint32(2000) {
			all = append(all, http2.Setting{ID: http2.SettingInitialWindowSize, Val: i})
		}
		return repeat(ctx, c, func(c *h2) error { return c.WriteSettings(all...) })
	})},
	{name: "gRPC: PING flood", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		return repeat(ctx, c, func(c *h2) error { return c.WritePing(false, [8]byte{}) })
	})},
	{name: "gRPC: empty DATA flood", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		if err := accepted(c, id); err != nil {
			return err
		}
		return repeat(ctx, c, func(c *h2) error { return c.WriteData(id, false, nil) })
	})},
	{name: "gRPC: padding only", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		if err := accepted(c, id); err != nil {
			return err
		}
		return repeat(ctx, c, func(c *h2) error { return c.WriteDataPadded(id, false, nil, make([]byte, 255)) })
	})},
	{name: "gRPC: WINDOW_UPDATE flood", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		return repeat(ctx, c, func(c *h2) error { return c.WriteWindowUpdate(id, 1) })
	})},
	{name: "gRPC: unknown frames", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		return repeat(ctx, c, func(c *h2) error { return c.WriteRawFrame(0x42, 0, id, nil) })
	})},
	{name: "gRPC: silence", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error { return nil })},
	{name: "gRPC: garbage", run: hostileGRPC(func(ctx context.Context, c *h2, id uint32) error {
		for ctx.Err() == nil {
			if _, err := c.Conn.Write([]byte(strings.Repeat("garbage", 1000))); err != nil {
				return err
			}
		}
		return nil
	})},
}

// literals is a header block of fields that enter no table.
var literals = []byte(strings.Repeat("\x00\x01a\x7f\x00"+strings.Repeat("a", 127), 100))

// accepted sends the headers of an answer.
func accepted(c *h2, id uint32) error {
	return c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: c.headers(":status", "200", "content-type", "application/grpc")})
}

// endless sends a header block without an end.
func endless(ctx context.Context, c *h2, id uint32, block []byte) error {
	for ctx.Err() == nil {
		if err := c.WriteContinuation(id, false, block); err != nil {
			return err
		}
	}
	return nil
}

// victims is how many callers an attack by a provider has.
const victims = 4

// victimTimeout bounds each of their calls.
const victimTimeout = time.Second

// hostileGRPC is a provider whose gRPC port answers each call as answer does.
func hostileGRPC(serve func(ctx context.Context, c *h2, id uint32) error) func(context.Context, *target) error {
	return func(ctx context.Context, t *target) error {
		l, host, pin, err := listenTLS("h2")
		if err != nil {
			return err
		}
		serving, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		accept(serving, l, func(conn net.Conn) { serveH2(serving, conn, serve) })
		callVictims(ctx, t, func(ctx context.Context) answer {
			return callStatus(ctx, victimClient, t.Bridge, stranger, host, victimTimeout, "Akash-Tls", pin, "Akash-Check-Version", "false")
		})
		return nil
	}
}

// victimClient is the client of callers that are attacked.
var victimClient = program.NewClient()

// callVictims lets callers call the hostile provider until ctx ends.
func callVictims(ctx context.Context, t *target, call func(context.Context) answer) {
	during(ctx, victims, func() error {
		// The last call may take its time.
		t.answered(call(context.WithoutCancel(ctx)))
		pause(ctx, 20*time.Millisecond)
		return nil
	})
}

// serveH2 serves one connection.
func serveH2(ctx context.Context, conn net.Conn, answer func(ctx context.Context, c *h2, id uint32) error) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	c := newH2(conn)
	if c.WriteSettings() != nil {
		return
	}
	var answering sync.Mutex
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return
		}
		if f, ok := f.(*http2.HeadersFrame); ok {
			id := f.StreamID
			go func() {
				answering.Lock() // one flood is enough for a connection
				defer answering.Unlock()
				if answer(ctx, c, id) != nil {
					c.Close()
				}
			}()
		}
	}
}
