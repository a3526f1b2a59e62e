package client

// maxSeen is how many messages are remembered so as not to be told twice.
const maxSeen = 4096

// seenMessages is what a page was told by messages that a provider tells again on each
// connection: the events that there are, or how things stand. They carry neither time
// nor number, so they are recognised by their text. An event that happens once more,
// word for word, just after a connection broke is taken for the one before.
type seenMessages struct {
	limit int
	// once is set where a text that comes a second time on one connection happened a
	// second time, whereas a provider repeats it only once.
	once     bool
	messages []seenMessage
	waiting  int // messages that may still come again
	came     int // that did, since the last look
}

type seenMessage struct {
	fingerprint uint64
	waits       bool // it may still come again on this connection
}

// reopen prepares for a connection.
func (s *seenMessages) reopen() {
	for i := range s.messages {
		s.messages[i].waits = true
	}
	s.waiting, s.came = len(s.messages), 0
}

// again takes the next message and reports whether it was told before.
func (s *seenMessages) again(text []byte) bool {
	var p fingerprint
	p.write(text)
	sum, known := p.end(), false
	for i := range s.messages {
		m := &s.messages[i]
		if m.fingerprint != sum {
			continue
		}
		if m.waits {
			m.waits = false
			s.waiting--
			s.came++
			return true
		}
		known = true
	}
	if s.limit == 1 {
		s.waiting, s.messages = 0, s.messages[:0]
	} else if known && s.once {
		return false
	}
	if len(s.messages) == s.limit {
		if s.messages[0].waits {
			s.waiting--
		}
		s.messages = s.messages[:copy(s.messages, s.messages[1:])]
	}
	s.messages = append(s.messages, seenMessage{fingerprint: sum})
	return false
}

// expects reports whether messages may come again that would be taken for new ones
// if they came later.
func (s *seenMessages) expects() bool { return s.once && s.waiting > 0 }

// look is called from time to time: once none came again for a while, none will.
func (s *seenMessages) look() {
	if s.came == 0 && s.once {
		for i := range s.messages {
			s.messages[i].waits = false
		}
		s.waiting = 0
	}
	s.came = 0
}
