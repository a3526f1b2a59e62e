package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/btcsuite/btcd/btcutil/bech32"
)

// chainAttacks are attacks by a chain node.
var chainAttacks = []attack{
	{name: "chain: endless answer", short: true, run: hostileNode(func(ctx context.Context, w http.ResponseWriter) {
		_ = forever(ctx, w, bytes.Repeat([]byte(" "), 1<<16))
	})},
	{name: "chain: slow answer", run: hostileNode(func(ctx context.Context, w http.ResponseWriter) {
		for ctx.Err() == nil {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			pause(ctx, 100*time.Millisecond)
		}
	})},
	{name: "chain: deep JSON", run: hostileNode(func(ctx context.Context, w http.ResponseWriter) {
		io.WriteString(w, `{"result":`+strings.Repeat("[", 1_000_000))
	})},
	{name: "chain: gzip bomb", short: true, run: hostileNode(func(ctx context.Context, w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		_ = bomb(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })(ctx, w)
	})},
	{name: "chain: endless pages", run: hostileNode(func(ctx context.Context, w http.ResponseWriter) {
		io.WriteString(w, `{"certificates":[],"pagination":{"next_key":"AAAA"},"result":{"response":{"code":0,"value":"Eg4KDAoKAAAAAAAAAAAAAA=="}}}`)
	})},
	{name: "chain: silence", run: hostileNode(func(ctx context.Context, w http.ResponseWriter) { <-ctx.Done() })},
}

// hostileNode is the bridge's chain node, which answers every query as serve does. The
// callers ask for ever new providers.
func hostileNode(serve func(context.Context, http.ResponseWriter)) func(context.Context, *target) error {
	return func(ctx context.Context, t *target) error {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", t.ChainPort))
		if err != nil {
			return err
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answering, cancel := context.WithCancel(r.Context())
			defer cancel()
			serve(answering, w)
		})}
		go server.Serve(l)
		defer server.Close()
		var asked atomic.Uint64
		callVictims(ctx, t, func(ctx context.Context) answer {
			sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, asked.Add(1)))
			address, err := bech32.EncodeFromBase256("akash", sum[:20])
			if err != nil {
				return answer{err: err}
			}
			return callStatus(ctx, victimClient, t.Bridge, address, "", victimTimeout)
		})
		return nil
	}
}
