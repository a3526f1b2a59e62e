// Symbolize adds function names and source lines to a stack trace of the module from
// the browser's console:
//
//	symbolize SYMBOLS < TRACE
//
// SYMBOLS is the file that wasm/trim wrote for the same build. Lines without an
// address are copied unchanged.
package main

import (
	"bufio"
	"compress/gzip"
	"debug/gosym"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: symbolize SYMBOLS < TRACE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "symbolize: %v\n", err)
		os.Exit(1)
	}
}

func run(path string, trace io.Reader, out io.Writer) error {
	table, err := load(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	lines := bufio.NewScanner(trace)
	w := bufio.NewWriter(out)
	for lines.Scan() {
		call := lines.Text()
		if !strings.HasPrefix(call, "(") || !lines.Scan() {
			fmt.Fprintln(w, call)
			continue
		}
		place := lines.Text()
		if f, line := find(table, place); f != nil {
			call, place = f.Name+call, line
		}
		fmt.Fprintf(w, "%s\n%s\n", call, place)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return w.Flush()
}

func load(path string) (*gosym.Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	symbols, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	return gosym.NewTable(nil, gosym.NewLineTable(symbols, 0))
}

// address matches the line of a frame as runtime.traceback2 writes it if the source
// line is unknown.
var address = regexp.MustCompile(`^\t\?:0 .*\bpc=0x([0-9a-f]+)$`)

// find returns the function of a frame, and the frame's second line as an untrimmed
// program would print it. It returns nil if the line has no address.
func find(table *gosym.Table, place string) (*gosym.Func, string) {
	m := address.FindStringSubmatch(place)
	if m == nil {
		return nil, ""
	}
	pc, err := strconv.ParseUint(m[1], 16, 64)
	if err != nil {
		return nil, ""
	}
	// The address is the one that the call returns to, which is after the call.
	file, line, f := table.PCToLine(pc - 1)
	return f, fmt.Sprintf("\t%s:%d", file, line)
}
