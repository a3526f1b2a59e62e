// Command empty is the smallest Go program. As WebAssembly it is just the Go runtime:
// "make size" compares the client's size with it.
package main

func main() {}
