package grpcweb

// Names of the fields that carry a call's status, in trailers or, where a
// response has no body, in headers.
const (
	statusField  = "grpc-status"
	messageField = "grpc-message"
)

// A Status is how a call ended. A nil *Status is success; any other is an error.
type Status struct {
	Code    Code
	Message string
	// Fields are the trailers that came with the status, if any.
	Fields Fields
}

// Error returns the code's name and the message.
func (s *Status) Error() string {
	if s.Message == "" {
		return s.Code.String()
	}
	return s.Code.String() + ": " + s.Message
}

// Error returns a Status made on this side of the wire. There is no Errorf:
// package fmt weighs more than all the rest of the module together.
func Error(code Code, message string) *Status {
	return &Status{Code: code, Message: message}
}

// StatusOf returns the status that fields hold, and whether they hold one.
// Success is a nil Status.
func StatusOf(fields Fields) (status *Status, ok bool) {
	text, ok := fields.Get(statusField)
	if !ok {
		return nil, false
	}
	code := parseCode(text)
	if code == OK {
		return nil, true
	}
	message, _ := fields.Get(messageField)
	return &Status{Code: code, Message: percentDecode(message), Fields: fields}, true
}

// percentDecode reads a grpc-message: bytes outside printable ASCII are written
// as %XX. As the gRPC specification asks, what is not a valid escape is kept as
// it is.
func percentDecode(text string) string {
	escapes := false
	for i := range len(text) {
		if text[i] == '%' {
			escapes = true
			break
		}
	}
	if !escapes {
		return text
	}
	decoded := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			high, ok1 := hexDigit(text[i+1])
			low, ok2 := hexDigit(text[i+2])
			if ok1 && ok2 {
				decoded = append(decoded, high<<4|low)
				i += 2
				continue
			}
		}
		decoded = append(decoded, text[i])
	}
	return string(decoded)
}

func hexDigit(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
