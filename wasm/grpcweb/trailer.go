package grpcweb

// A Field is a header or trailer. Its name is in lower case.
type Field struct {
	Name, Value string
}

// Fields are headers or trailers in the order received.
type Fields []Field

// Get returns the first value of a name, which must be in lower case.
func (f Fields) Get(name string) (value string, ok bool) {
	for i := range f {
		if f[i].Name == name {
			return f[i].Value, true
		}
	}
	return "", false
}

// Limits of a trailer frame. The bridge's own trailers are three short lines.
const (
	maxTrailerBytes  = 64 << 10
	maxTrailerFields = 256
)

// parseTrailers parses a trailer frame: lines of "name: value" as in HTTP/1.1, without
// an empty line at the end
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md).
func parseTrailers(block []byte) (Fields, *Status) {
	var fields Fields
	for len(block) > 0 {
		var line []byte
		line, block = cutLine(block)
		if len(line) == 0 {
			continue
		}
		colon := 0
		for colon < len(line) && line[colon] != ':' {
			colon++
		}
		if colon == 0 || colon == len(line) {
			return nil, Error(Internal, "the stream's trailers hold a line without a name")
		}
		if len(fields) == maxTrailerFields {
			return nil, Error(Internal, "the stream's trailers hold too many lines")
		}
		fields = append(fields, Field{
			Name:  lower(trimSpace(line[:colon])),
			Value: string(trimSpace(line[colon+1:])),
		})
	}
	return fields, nil
}

// cutLine returns the first line, without its CRLF or LF, and the rest.
func cutLine(block []byte) (line, rest []byte) {
	end := 0
	for end < len(block) && block[end] != '\n' {
		end++
	}
	line = block[:end]
	if end < len(block) {
		end++
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, block[end:]
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for n := len(b); n > 0 && (b[n-1] == ' ' || b[n-1] == '\t'); n = len(b) {
		b = b[:n-1]
	}
	return b
}

func lower(b []byte) string {
	name := make([]byte, len(b))
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		name[i] = c
	}
	return string(name)
}
