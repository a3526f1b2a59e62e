package client

// maxSeen is how many messages are remembered so that they are not delivered twice.
const maxSeen = 4096

// seenMessages remembers delivered messages that a provider sends again on each connection:
// a lease's events, or a status. They carry neither time nor sequence number, so they are
// recognised by their text. An event that occurs again with the same text right after a
// connection broke is taken for a repetition.
type seenMessages struct {
	limit int
	// once is set if a provider repeats each message at most once per connection, so that a
	// text that occurs twice on a connection happened twice.
	once     bool
	messages []seenMessage
	waiting  int // messages that may still be repeated
	repeated int // messages repeated since the last review
}

type seenMessage struct {
	fingerprint uint64
	waits       bool // may still be repeated on this connection
}

// reopen prepares for a new connection.
func (s *seenMessages) reopen() {
	for i := range s.messages {
		s.messages[i].waits = true
	}
	s.waiting, s.repeated = len(s.messages), 0
}

// seenBefore reports whether a message was delivered before, and remembers it if not.
func (s *seenMessages) seenBefore(text []byte) bool {
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
			s.repeated++
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

// expects reports whether messages may still be repeated that would count as new if they
// came later.
func (s *seenMessages) expects() bool { return s.once && s.waiting > 0 }

// review is called periodically. If nothing was repeated since the last call, the provider
// has finished repeating.
func (s *seenMessages) review() {
	if s.repeated == 0 && s.once {
		for i := range s.messages {
			s.messages[i].waits = false
		}
		s.waiting = 0
	}
	s.repeated = 0
}
