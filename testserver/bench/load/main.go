// Command load is both ends of the bridges' measurements. It is the providers, which
// cost no more than a grpc-go server, and less when they flood, and the pages that
// call them, with or without a bridge.
//
// It prints one JSON line when the providers accept connections. Then it reads
// commands, one JSON object per line, and answers each with a line. Both ends are in
// one process to share a clock. The bridge's costs are read from /proc.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"
)

// command is a line of input.
type command struct {
	// Do is the name of the measurement.
	Do string `json:"do"`
	// Target is what to measure.
	Target target `json:"target"`
	// Streams is the number of concurrent streams or callers.
	Streams int `json:"streams"`
	// Size is the size of a message in bytes.
	Size int `json:"size"`
	// Seconds is how long to measure, after a warm-up of Warm seconds.
	Seconds float64 `json:"seconds"`
	Warm    float64 `json:"warm"`
	// Providers is the number of providers that the streams use in turn, and Rate
	// their message rate.
	Providers int     `json:"providers"`
	Rate      float64 `json:"rate"`
	// Times is how often to repeat a latency measurement.
	Times int `json:"times"`
	// Name is the name of a stream that a page has opened.
	Name string `json:"name"`
}

// target is a bridge, or the provider itself.
type target struct {
	// Address is the bridge's host:port. "" calls the provider with native gRPC.
	Address string `json:"address"`
	// Door is how pages reach the bridge.
	Door door `json:"door"`
	// Header is sent with every call.
	Header map[string]string `json:"header"`
	// PID is the bridge's process, whose CPU time and memory are measured; 0 for
	// none.
	PID int `json:"pid"`
}

// answer has the figures of a measurement by name.
type answer map[string]any

// measurements are the measurements by name.
var measurements = map[string]func(*provider, command) (answer, error){
	"unary":     measureUnary,
	"flood":     measureFlood,
	"idle":      measureIdle,
	"first":     measureFirst,
	"cancel":    measureCancel,
	"cancelled": whenCancelled,
	"scale":     measureScale,
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("load: ")
	p, err := startProvider()
	if err != nil {
		log.Fatal(err)
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(p.ready()); err != nil {
		log.Fatal(err)
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		result, err := run(p, in.Bytes())
		if err != nil {
			result = answer{"error": err.Error()}
		}
		if err := out.Encode(result); err != nil {
			log.Fatal(err)
		}
	}
}

func run(p *provider, line []byte) (answer, error) {
	var c command
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, err
	}
	measure, ok := measurements[c.Do]
	if !ok {
		return nil, fmt.Errorf("unknown command %q", c.Do)
	}
	return measure(p, c)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
