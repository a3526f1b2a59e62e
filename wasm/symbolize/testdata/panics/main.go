// Panics has something to trace: a failure in a function that a method called, which
// a goroutine called.
package main

type server struct{ calls map[string]int }

func main() {
	done := make(chan bool)
	go func() {
		defer close(done)
		defer func() { println("recovered:", recover().(string)) }()
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
