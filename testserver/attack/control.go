package main

import (
	"context"
	"io"
	"net"
	"time"
)

// control attacks nobody. It sends to itself what an attacker would send, and takes as much
// of the processor as the attack did: what the neighbour then waits longer than usual is
// the machine's doing, and not the bridge's.
var control = attack{name: "control", run: func(ctx context.Context, t *target) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer out.Close()
	in, err := l.Accept()
	if err != nil {
		return err
	}
	defer in.Close()
	const turn = 5 * time.Millisecond
	busy := time.Duration(t.Share * float64(turn))
	sent, received := make([]byte, 16<<10), make([]byte, 16<<10)
	for ctx.Err() == nil {
		for end := time.Now().Add(busy); time.Now().Before(end); {
			if _, err := out.Write(sent); err != nil {
				return err
			}
			if _, err := io.ReadFull(in, received); err != nil {
				return err
			}
		}
		pause(ctx, turn-busy)
	}
	return nil
}}
