// Panics has something to trace: a failure in a function that a method called, which
// a goroutine called.
package main

type server struct{ calls map[string]int }

func main() {
	done := make(chan bool)
	go func() {
		defer close(done)
		defer func() { println("recovered:", recover().(string)) }()
		var c calmer = guarded{&guard{}}
		defer c.calm()
		panic("on purpose")
	}()
	<-done
	(&server{}).serve([]string{"status"})
}

//go:noinline
func (s *server) serve(names []string) {
	for i := range 2 {
		count(s.calls, names[i])
	}
}

//go:noinline
func count(calls map[string]int, name string) { _ = calls[name] }

type calmer interface{ calm() }

// guarded has the method by a function that the compiler makes, in which guard's is
// inlined: what that calls is not called by the defer statement, and cannot recover.
type guarded struct{ *guard }

type guard struct{}

func (*guard) calm() { tooDeep() }

func tooDeep() { println("recovered too deep:", recover() != nil) }
