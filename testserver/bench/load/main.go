// Command load is both ends of what the bridges are measured with: providers that
// cost as little as a grpc-go server can, and less where they flood, and pages that
// call them, through a bridge or without one.
//
// It prints one JSON line when the providers serve, then reads commands, a JSON
// object a line, and answers each with one. Both ends share a process so that they
// share a clock; what a bridge costs is read from /proc.
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
	// Do names the measurement.
	Do string `json:"do"`
	// Target is what is measured.
	Target target `json:"target"`
	// Streams or callers at once.
	Streams int `json:"streams"`
	// Size of a message in bytes.
	Size int `json:"size"`
	// Seconds to measure for, after Warm seconds of the same.
	Seconds float64 `json:"seconds"`
	Warm    float64 `json:"warm"`
	// Providers that the streams are of, in turn, and Rate of their messages.
	Providers int     `json:"providers"`
	Rate      float64 `json:"rate"`
	// Times to repeat what takes no time of its own.
	Times int `json:"times"`
	// Name of a stream that a page outside has opened.
	Name string `json:"name"`
}

// target is a bridge, or the provider itself.
type target struct {
	// Address is the bridge's host:port; "" calls the provider by native gRPC.
	Address string `json:"address"`
	// Header is sent with every call.
	Header map[string]string `json:"header"`
	// PID is the bridge's process, whose CPU time and memory count; 0 for none.
	PID int `json:"pid"`
}

// answer holds the figures of a measurement by their names.
type answer map[string]any

// measurements by the name of their command.
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
