package grpcweb

// Names of the fields with a call's status, in the trailers or, if a response has no
// body, in the headers.
const (
	statusField  = "grpc-status"
	messageField = "grpc-message"
)

// A Status is the status of a call that has ended. A nil *Status means success.
type Status struct {
	Code    Code
	Message string
	// Fields are the trailers that contained the status, if any.
	Fields Fields
}

// Error returns the code's name and the message.
func (s *Status) Error() string {
	if s.Message == "" {
		return s.Code.String()
	}
	return s.Code.String() + ": " + s.Message
}

// Error returns a Status. There is no Errorf, because package fmt is larger than the
// rest of the module.
func Error(code Code, message string) *Status {
	return &Status{Code: code, Message: message}
}

// StatusOf returns the status in fields, and whether there is one. On success the
// Status is nil.
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

// percentDecode decodes a grpc-message, in which bytes other than printable ASCII are
// encoded as %XX. As the specification requires, invalid escapes are kept unchanged.
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
