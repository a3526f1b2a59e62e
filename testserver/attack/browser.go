package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"google.golang.org/protobuf/proto"
)

// browserAttacks are attacks by a page over WebSockets.
var browserAttacks = []attack{
	{name: "WebSocket fragments", short: true, run: webSocket("/ws", "", fragments)},
	{name: "WebSocket pings, never reading", run: webSocket("/ws", "", pings)},
	{name: "WebSocket messages of 1 MiB", run: webSocket("/ws", "", large)},
	{name: "WebSocket frame of 8 EiB", run: webSocket("/ws", "", huge)},
	{name: "grpc-websockets fragments", run: webSocket(providerv1.ProviderRPC_GetStatus_FullMethodName, "grpc-websockets", headersThen(fragments))},
	{name: "grpc-websockets pings", run: webSocket(providerv1.ProviderRPC_GetStatus_FullMethodName, "grpc-websockets", headersThen(pings))},
	{name: "grpc-websockets never reading", grows: 128 << 20, run: webSocket(leasev1.LeaseRPC_ServiceLogs_FullMethodName, "grpc-websockets", followAndSleep)},
}

// A sender sends what it wants on a WebSocket.
type sender func(ctx context.Context, t *target, w io.Writer) error

// webSocket opens WebSockets at a path, and lets send use them.
func webSocket(path, protocol string, send sender) func(context.Context, *target) error {
	return func(ctx context.Context, t *target) error {
		var conns counter
		during(ctx, 4, func() error {
			conn, err := t.dial(ctx, "http/1.1")
			if err != nil {
				return err
			}
			defer conn.Close()
			head := "GET " + path + " HTTP/1.1\r\nHost: bridge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
			if protocol != "" {
				head += "Sec-WebSocket-Protocol: " + protocol + "\r\n"
			}
			if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
				return err
			}
			var status [12]byte
			if _, err := io.ReadFull(conn, status[:]); err != nil {
				return err
			}
			if !strings.HasSuffix(string(status[:]), "101") {
				return fmt.Errorf("answer %q", status)
			}
			conns.add(1)
			return send(ctx, t, conn)
		})
		t.say("%d WebSockets", conns.value())
		return nil
	}
}

// wsFrame is a masked frame, whose mask is 0.
func wsFrame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// fragments is a message of empty fragments that never ends.
func fragments(ctx context.Context, _ *target, w io.Writer) error {
	_, err := w.Write(wsFrame(0x02, []byte("x")))
	many := []byte(strings.Repeat(string(wsFrame(0x00, nil)), 2000))
	for err == nil && ctx.Err() == nil {
		_, err = w.Write(many)
	}
	return err
}

func pings(ctx context.Context, _ *target, w io.Writer) (err error) {
	many := []byte(strings.Repeat(string(wsFrame(0x89, make([]byte, 125))), 200))
	for err == nil && ctx.Err() == nil {
		_, err = w.Write(many)
	}
	return err
}

func large(ctx context.Context, _ *target, w io.Writer) (err error) {
	message := wsFrame(0x81, []byte(`{"type":"`+strings.Repeat("x", 1<<20-100)+`"}`))
	for err == nil && ctx.Err() == nil {
		_, err = w.Write(message)
	}
	return err
}

func huge(ctx context.Context, _ *target, w io.Writer) error {
	_, err := w.Write([]byte{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	for err == nil && ctx.Err() == nil {
		_, err = w.Write(make([]byte, 1<<16))
	}
	return err
}

// headersThen sends the first message of a call, and then what send does.
func headersThen(send sender) sender {
	return func(ctx context.Context, t *target, w io.Writer) error {
		if _, err := w.Write(wsFrame(0x82, callHeaders(t))); err != nil {
			return err
		}
		return send(ctx, t, w)
	}
}

func callHeaders(t *target) []byte {
	var b strings.Builder
	_ = http.Header{
		"Content-Type": {"application/grpc-web+proto"}, "Akash-Provider": {t.Provider}, "Akash-Host-Uri": {t.HostURI},
		"Akash-Tls": {"insecure"}, "Akash-Heartbeat": {"1"},
	}.Write(&b)
	return []byte(b.String())
}

// followAndSleep follows a log, and reads none of it.
func followAndSleep(ctx context.Context, t *target, w io.Writer) error {
	request, err := proto.Marshal(&leasev1.ServiceLogsRequest{LeaseId: leaseOf(t, t.Provider), Follow: true})
	if err != nil {
		return err
	}
	if _, err := w.Write(wsFrame(0x82, append(callHeaders(t), "Authorization: Bearer "+t.JWT+"\r\n"...))); err != nil {
		return err
	}
	if _, err := w.Write(wsFrame(0x82, append([]byte{0}, frame(request)...))); err != nil {
		return err
	}
	pause(ctx, time.Hour)
	return nil
}
