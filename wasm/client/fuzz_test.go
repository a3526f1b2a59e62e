package client

import (
	"encoding/binary"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// FuzzReplay is TestEveryLineOnceOrAGap with other clusters.
func FuzzReplay(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(1<<32 + seed)
	}
	f.Fuzz(everyLineOnceOrAGap)
}

// Whatever a bridge sends, and on whatever connections, a followed log ends, and delivers no
// more than came.
func FuzzResume(f *testing.F) {
	add := func(bodies ...[]byte) {
		var all []byte
		for _, body := range bodies {
			all = binary.BigEndian.AppendUint16(all, uint16(len(body)))
			all = append(all, body...)
		}
		f.Add(all, 100)
		f.Add(all, 3)
	}
	one := framedLog("web", 0, "one\ntwo\nthree")
	add(one, append(framedLog("web", 0, "two\nthree\nfour\n"), wellEnded...))
	add(one, one, one, framedLog("db", 7, "\n\n\n"))
	add(append(framedLog("web", 1, "x"), 0x80, 0xff, 0xff, 0xff, 0xff))
	add([]byte{0, 0, 0, 0, 5, 1, 2}, []byte{1, 0, 0, 0, 0}, nil)
	add([]byte("\x00\x00\x00\x00\x06\x0a\xff\xff\xff\xff\x0f"))
	add(trailers("grpc-status: 14\r\nakash-error: providerGone\r\n"), trailers("grpc-status: 16\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte, size int) {
		size = 1 + int(uint(size)%1000)
		var answers []answer
		for rest := sent; len(rest) >= 2 && len(answers) < 10; {
			n := min(int(binary.BigEndian.Uint16(rest)), len(rest)-2)
			body := rest[2 : 2+n]
			rest = rest[2+n:]
			a := answer{}
			for len(body) > 0 {
				m := min(size, len(body))
				a.body, body = append(a.body, body[:m]), body[m:]
			}
			answers = append(answers, a)
		}
		answers = append(answers, answer{body: [][]byte{wellEnded}})
		synctest.Test(t, func(t *testing.T) {
			client, bridge := newClient(answers...)
			call := newCall()
			call.Reconnect, call.Lease.Follow = true, true
			entries, _ := readStream(t, client.NewStream("streamLogs", call))
			total := 0
			for _, e := range entries {
				total += len(e.text) + 1
			}
			require.LessOrEqual(t, total, 3*len(sent)+10*len(answers)) // invalid bytes become three
			require.Zero(t, bridge.open)
		})
	})
}

// framedLog is a message with a piece of a log.
func framedLog(service string, number uint32, log string) []byte {
	piece := append([]byte{0x0a, byte(len(service))}, service...)
	piece = append(piece, 0x10, byte(number), 0x1a, byte(len(log)))
	piece = append(piece, log...)
	message := append([]byte{0x0a, byte(len(piece))}, piece...)
	return append([]byte{0, 0, 0, 0, byte(len(message))}, message...)
}
