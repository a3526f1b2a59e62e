package client

// maxTold is how many messages are remembered so as not to be told twice.
const maxTold = 4096

// told is what a page was told by messages that a provider tells again on each
// connection: the events that there are, or how things stand. They carry neither time
// nor number, so they are recognised by their text. An event that happens once more,
// word for word, just after a connection broke is taken for the one before.
type told struct {
	limit int
	// once is set where a text that comes a second time on one connection happened a
	// second time, whereas a provider repeats it only once.
	once     bool
	messages []toldMessage
	waiting  int // messages that may still come again
	came     int // that did, since the last look
}

type toldMessage struct {
	print uint64
	waits bool // it may still come again on this connection
}

// reopen prepares for a connection.
func (t *told) reopen() {
	for i := range t.messages {
		t.messages[i].waits = true
	}
	t.waiting, t.came = len(t.messages), 0
}

// again takes the next message and reports whether it was told before.
func (t *told) again(text []byte) bool {
	var p print
	p.write(text)
	sum, known := p.end(), false
	for i := range t.messages {
		m := &t.messages[i]
		if m.print != sum {
			continue
		}
		if m.waits {
			m.waits = false
			t.waiting--
			t.came++
			return true
		}
		known = true
	}
	if t.limit == 1 {
		t.waiting, t.messages = 0, t.messages[:0]
	} else if known && t.once {
		return false
	}
	if len(t.messages) == t.limit {
		if t.messages[0].waits {
			t.waiting--
		}
		t.messages = t.messages[:copy(t.messages, t.messages[1:])]
	}
	t.messages = append(t.messages, toldMessage{print: sum})
	return false
}

// expects reports whether messages may come again that would be taken for new ones
// if they came later.
func (t *told) expects() bool { return t.once && t.waiting > 0 }

// look is called from time to time: once none came again for a while, none will.
func (t *told) look() {
	if t.came == 0 && t.once {
		for i := range t.messages {
			t.messages[i].waits = false
		}
		t.waiting = 0
	}
	t.came = 0
}
