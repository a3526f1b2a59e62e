// Trim makes a module of Go's linker smaller as it travels:
//
//	trim MODULE SYMBOLS
//
// It takes out what only serves to print a stack trace by name: the names of
// functions and files, the numbers of lines, and which calls were inlined where. Names
// and numbers go to the file SYMBOLS, with which wasm/symbolize reads a trace that has
// addresses only. A program that asks for such names itself (runtime.FuncForPC,
// runtime.Caller) gets empty ones.
//
// And it writes the module's data in few segments. Go's linker leaves out every run
// of zeros, which makes some 27,000 of them; their headers do not compress, zeros do.
//
// Both together take a quarter of what a browser loads.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: trim MODULE SYMBOLS")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "trim: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func run(path, symbolsPath string) error {
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	module, symbols, err := trim(module)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(symbols); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// The symbols go first: a module that was trimmed has none to give a second time.
	if err := os.WriteFile(symbolsPath, packed.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(path, module, 0o644)
}
