// Trim makes a module that Go's linker wrote smaller on the wire:
//
//	trim MODULE SYMBOLS
//
// It does two things, which do not depend on each other:
//
//   - It merges the module's data segments. Go's linker leaves out every run of zeros,
//     which makes some 27,000 segments; their headers do not compress, zeros do. This
//     is safe for any module: memory is the same once it is loaded.
//   - It removes from the runtime's function table what only serves to print a stack
//     trace by name: the names of functions and files, line numbers, and which calls
//     were inlined where. Names and lines go to the file SYMBOLS, with which
//     wasm/symbolize reads a trace of addresses. A program that asks for such names
//     itself (runtime.FuncForPC, runtime.Caller) gets empty ones. This depends on the
//     runtime's own data structures, so it is done only for a version of Go that is
//     known. With any other, trim prints a warning, leaves the names in the module and
//     writes no SYMBOLS.
//
// Both together save a quarter of what a browser loads.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
)

// knownGo is the version of Go whose runtime data structures removeNames knows. To move
// it, read what changed in cmd/link/internal/ld/pcln.go, runtime/symtab.go and
// runtime/symtabinl.go, and run the tests here and npm/test/unit/crash.test.ts.
const knownGo = "go1.26"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: trim MODULE SYMBOLS")
		os.Exit(2)
	}
	// The module is of the Go that built this program: the go command runs both.
	if err := run(os.Args[1], os.Args[2], runtime.Version(), os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "trim: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// run trims the module in a file that the given version of Go wrote.
func run(path, symbolsPath, version string, warnings io.Writer) error {
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	module, symbols, err := trim(module, version)
	var left *namesLeftError
	if errors.As(err, &left) {
		fmt.Fprintf(warnings, "trim: warning: %s: %v\n", path, err)
	} else if err != nil {
		return err
	}
	// The symbols go first: a module that was trimmed has none to give a second time.
	if err := writeSymbols(symbolsPath, symbols); err != nil {
		return err
	}
	return os.WriteFile(path, module, 0o644)
}

// writeSymbols writes symbols to a file, compressed. Without symbols it removes the
// file, which would be another build's.
func writeSymbols(path string, symbols []byte) error {
	if symbols == nil {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
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
	return os.WriteFile(path, packed.Bytes(), 0o644)
}

// A namesLeftError says that a module is sound, but still has the names of its
// functions, and why.
type namesLeftError struct{ cause error }

func (e *namesLeftError) Error() string {
	return "names and lines stay in the module, which makes it a quarter larger: " + e.cause.Error()
}

func (e *namesLeftError) Unwrap() error { return e.cause }

var errUnknownGo = errors.New("wasm/trim knows the runtime of " + knownGo + " only")

// trim returns the module with its data in few segments and, if the version of Go is
// known, without names; then it also returns the function table as it was. With a
// [namesLeftError] it returns a module all the same.
func trim(module []byte, version string) (trimmed, symbols []byte, err error) {
	var left error
	trimmed, err = editData(module, func(memory []byte) ([]byte, error) {
		if !isKnown(version) {
			left = &namesLeftError{fmt.Errorf("this is %s; %w", version, errUnknownGo)}
			return memory, nil
		}
		// On a copy, for what fails halfway must not stay.
		stripped := bytes.Clone(memory)
		table, err := removeNames(stripped)
		switch {
		case errors.Is(err, errTrimmed):
			return nil, err
		case err != nil:
			left = &namesLeftError{err}
			return memory, nil
		}
		symbols = table
		return stripped, nil
	})
	if err != nil {
		return nil, nil, err
	}
	return trimmed, symbols, left
}

// isKnown reports whether a version of Go is of the release that is known: "go1.26",
// "go1.26.8", "go1.26rc1", or one of these with what a distributor adds.
func isKnown(version string) bool {
	rest, ok := strings.CutPrefix(version, knownGo)
	return ok && (rest == "" || rest[0] < '0' || rest[0] > '9') && !strings.HasPrefix(rest, "-devel")
}
