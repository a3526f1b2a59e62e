package message

import "strconv"

// maxJSON bounds the text made of one message, in bytes. A message of many empty
// parts grows up to twentyfold; a real status does not reach 1 MiB.
const maxJSON = 32 << 20

// AppendJSON appends the JSON of an encoded message that the table describes.
// Fields may come in any order; unknown ones are skipped; the last of several
// scalars counts and several parts of one message are merged, as the protobuf
// specification asks.
func AppendJSON(b []byte, table *Table, wire []byte) ([]byte, error) {
	w := writer{out: b, limit: len(b) + maxJSON}
	w.message(table, wire)
	if w.bad {
		return b, ErrMalformed
	}
	return w.out, nil
}

type writer struct {
	out   []byte
	limit int // of len(out)
	bad   bool
}

// message writes an object. It walks over the message once for each field of
// the table, which needs no memory; a message within is one step of that walk.
func (w *writer) message(table *Table, wire []byte) {
	if len(w.out) > w.limit {
		w.bad = true
		return
	}
	w.out = append(w.out, '{')
	first := true
	for i := range *table {
		field := &(*table)[i]
		mark := len(w.out)
		if !first {
			w.out = append(w.out, ',')
		}
		w.out = append(append(append(w.out, '"'), field.Name...), '"', ':')
		if w.field(field, wire) {
			first = false
		} else {
			w.out = w.out[:mark]
		}
	}
	w.out = append(w.out, '}')
}

// field writes a field's value and returns false where it is to be left out.
func (w *writer) field(field *Field, wire []byte) (present bool) {
	switch field.Label {
	case Repeated:
		w.repeated(field, wire, '[', ']')
		return true
	case Map:
		w.repeated(field, wire, '{', '}')
		return true
	}
	if field.Kind.isMessage() {
		part, found := w.merged(field.Number, wire)
		return found && w.value(field, 0, part)
	}
	varint, text, found := w.last(field.Number, field.Kind.wire(), wire)
	if !found && field.Label == Optional {
		return false
	}
	return w.value(field, varint, text)
}

// isMessage reports whether values of the kind are encoded as messages.
func (k Kind) isMessage() bool { return k >= Message }

// wire returns the wire type of a value of the kind.
func (k Kind) wire() byte {
	if k == String || k.isMessage() {
		return wireBytes
	}
	return wireVarint
}

// last returns the last value of a scalar field.
func (w *writer) last(number uint32, wireType byte, wire []byte) (varint uint64, text []byte, found bool) {
	f := fields{rest: wire}
	for f.next() {
		if f.is(number, wireType) {
			varint, text, found = f.varint, f.bytes, true
		}
	}
	w.bad = w.bad || f.bad
	return varint, text, found
}

// merged returns a message field's value: its occurrences put together, which
// means the same as merging them
// (https://protobuf.dev/programming-guides/encoding/#last-one-wins).
func (w *writer) merged(number uint32, wire []byte) (part []byte, found bool) {
	f := fields{rest: wire}
	var joined []byte // a copy, once there are two
	for f.next() {
		switch {
		case !f.is(number, wireBytes):
		case !found:
			part, found = f.bytes, true
		case joined == nil:
			joined = append(append(make([]byte, 0, len(wire)), part...), f.bytes...)
			part = joined
		default:
			joined = append(joined, f.bytes...)
			part = joined
		}
	}
	w.bad = w.bad || f.bad
	return part, found
}

// repeated writes an array, or the entries of a map as an object.
func (w *writer) repeated(field *Field, wire []byte, open, shut byte) {
	w.out = append(w.out, open)
	start := len(w.out)
	f := fields{rest: wire}
	for f.next() && !w.bad {
		if !f.is(field.Number, field.Kind.wire()) {
			continue
		}
		mark := len(w.out)
		if mark > start {
			w.out = append(w.out, ',')
		}
		part := f.bytes
		if field.Label == Map {
			_, key, _ := w.last(1, wireBytes, part)
			w.string(key)
			w.out = append(w.out, ':')
			part, _ = w.merged(2, part)
		}
		if !w.value(field, f.varint, part) {
			w.out = w.out[:mark]
		}
	}
	w.bad = w.bad || f.bad
	w.out = append(w.out, shut)
}

// value writes one value and returns false where it has none to show.
func (w *writer) value(field *Field, varint uint64, part []byte) (present bool) {
	switch field.Kind {
	case String:
		w.string(part)
	case Uint32:
		w.out = strconv.AppendUint(w.out, uint64(uint32(varint)), 10)
	case Int32:
		w.out = strconv.AppendInt(w.out, int64(int32(varint)), 10)
	case Int64:
		w.out = strconv.AppendInt(w.out, int64(varint), 10)
	case Enum:
		w.out = append(w.out, '"')
		if n := int32(varint); n >= 0 && int(n) < len(field.Names) {
			w.out = append(w.out, field.Names[n]...)
		} else {
			w.out = strconv.AppendInt(w.out, int64(n), 10)
		}
		w.out = append(w.out, '"')
	case Message:
		w.message(field.Table, part)
	case Timestamp:
		return w.timestamp(w.seconds(part))
	case Duration:
		return w.duration(w.seconds(part))
	case Quantity:
		_, text, _ := w.last(1, wireBytes, part)
		w.out = append(w.out, `{"text":`...)
		w.string(text)
		w.out = append(w.out, `,"value":`...)
		w.out = appendQuantity(w.out, text)
		w.out = append(w.out, '}')
	}
	return true
}

// seconds reads the two fields that Timestamp and Duration have.
func (w *writer) seconds(part []byte) (seconds int64, nanos int32) {
	s, _, _ := w.last(1, wireVarint, part)
	n, _, _ := w.last(2, wireVarint, part)
	return int64(s), int32(n)
}

func (w *writer) string(text []byte) { w.out = AppendString(w.out, text) }

// AppendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(b, text []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i, c := range text {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b, _ = AppendText(b, text[start:i])
		start = i + 1
		if c < 0x20 {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			b = append(b, '\\', c)
		}
	}
	b, _ = AppendText(b, text[start:])
	return append(b, '"')
}
