package token

// A raw is the JSON text of a value in a token. Its methods search the text directly:
// encoding/json would be a quarter of the module, and a tree of values three times the
// size of this file. They do not validate the JSON, which the provider does, and do
// not decode escapes, which the relevant names do not have.
type raw string

// items returns the elements of an array, or alternating names and values of an
// object.
func (v raw) items() (items []raw) {
	depth, start := 0, -1
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '"':
			begin := i
			for i++; i < len(v) && v[i] != '"'; i++ {
				if v[i] == '\\' {
					i++
				}
			}
			if depth == 1 && i < len(v) {
				items = append(items, v[begin:i+1])
			}
		case c == '{' || c == '[':
			if depth++; depth == 2 {
				start = i
			}
		case c > ' ' && c != ',' && c != ':' && c != '}' && c != ']':
			if depth == 1 && start < 0 {
				start = i // a number or a literal
			}
		default:
			end := i
			if c == '}' || c == ']' {
				if depth--; depth == 1 {
					end++
				}
			}
			if depth < 2 && start >= 0 {
				items = append(items, v[start:end])
				start = -1
			}
		}
	}
	return items
}

// member returns the value of an object's member, or "" if there is none or it is null.
// If there are several, the last one counts. Names are compared without case, as by the
// encoding/json of providers.
func (v raw) member(name string) (value raw) {
	items := v.items()
	for i := 0; i+1 < len(items); i += 2 {
		if items[i].names(name) {
			value = items[i+1]
		}
	}
	if value == "null" {
		return ""
	}
	return value
}

// names reports whether the value is the string name in any case. name is in lower case.
func (v raw) names(name string) bool {
	if len(v) != len(name)+2 {
		return false
	}
	for i := range len(name) {
		c := v[i+1]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// escaped reports whether v contains an escape, which this package does not decode.
func (v raw) escaped() bool {
	for i := range len(v) {
		if v[i] == '\\' {
			return true
		}
	}
	return false
}

// is reports whether the value is the string text.
func (v raw) is(text string) bool {
	n := len(v)
	return n >= 2 && v[0] == '"' && string(v[1:n-1]) == text
}

// number returns the integer part of a number. ok is false if the value is not a
// number, is negative or is too large.
func (v raw) number() (n uint64, ok bool) {
	for i := range len(v) {
		c := v[i] - '0'
		if v[i] == '.' && i > 0 {
			break
		}
		if c > 9 || n >= 1<<59 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, len(v) > 0
}
