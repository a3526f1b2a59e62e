// Command empty is the smallest Go program. As WebAssembly it is the runtime and
// nothing else: what "make size" measures the client against.
package main

func main() {}
