package message

import "strconv"

// maxJSON bounds the JSON of one message, in bytes. The JSON of a message with many
// empty parts is up to twenty times as long. A real status has less than 1 MiB.
const maxJSON = 32 << 20

// AppendJSON appends the JSON of an encoded message that table describes. As the
// protobuf specification requires, fields may be in any order, unknown fields are
// skipped, the last value of a scalar counts, and several values of a message field
// are merged.
func AppendJSON(b []byte, table *Table, wire []byte) ([]byte, error) {
	w := writer{JSON: JSON{Text: b}, limit: len(b) + maxJSON}
	w.message(table, wire)
	if w.bad {
		return b, ErrMalformed
	}
	return w.Text, nil
}

type writer struct {
	JSON
	limit int // of len(Text)
	bad   bool
}

// message writes an object. It scans the encoded message once for each field in the
// table, which needs no memory. If the fields are in order, as encoders write them,
// each scan covers only one field's values.
func (w *writer) message(table *Table, wire []byte) {
	if len(w.Text) > w.limit {
		w.bad = true
		return
	}
	w.put('{')
	sorted := len(*table) > 2 && ordered(wire)
	rest := wire
	for i := range *table {
		field := &(*table)[i]
		if sorted {
			wire, rest = cut(rest, field.Number)
		}
		mark := len(w.Text)
		w.Member(field.Name)
		if !w.field(field, wire) {
			w.Text = w.Text[:mark]
		}
	}
	w.put('}')
}

// ordered reports whether a message is well-formed and its fields are in the order of
// their numbers, which is also the order of tables.
func ordered(wire []byte) bool {
	f := fields{rest: wire}
	for last := uint32(0); f.next(); last = f.number {
		if f.number < last {
			return false
		}
	}
	return !f.bad
}

// cut returns the fields with a number from an ordered message, and the fields after
// them.
func cut(wire []byte, number uint32) (run, rest []byte) {
	f := fields{rest: wire}
	for before := wire; f.next(); before = f.rest {
		switch {
		case f.number < number:
			wire = f.rest
		case f.number > number:
			return wire[:len(wire)-len(before)], before
		}
	}
	return wire, nil
}

// field writes a field's value. It returns false if the field must be omitted.
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
	if k == String || k == Bytes || k.isMessage() {
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

// merged returns the value of a message field. It concatenates its occurrences, which
// is equivalent to merging them
// (https://protobuf.dev/programming-guides/encoding/#last-one-wins).
func (w *writer) merged(number uint32, wire []byte) (part []byte, found bool) {
	f := fields{rest: wire}
	var joined []byte // a copy, if there is more than one occurrence
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
func (w *writer) repeated(field *Field, wire []byte, open, close byte) {
	w.put(open)
	start := len(w.Text)
	f := fields{rest: wire}
	for f.next() && !w.bad {
		if !f.is(field.Number, field.Kind.wire()) {
			continue
		}
		mark := len(w.Text)
		if mark > start {
			w.put(',')
		}
		part := f.bytes
		if field.Label == Map {
			_, key, _ := w.last(1, wireBytes, part)
			w.string(key)
			w.put(':')
			part, _ = w.merged(2, part)
		}
		if !w.value(field, f.varint, part) {
			w.Text = w.Text[:mark]
		}
	}
	w.bad = w.bad || f.bad
	w.put(close)
}

// value writes a value. It returns false if the value must be omitted.
func (w *writer) value(field *Field, varint uint64, part []byte) (present bool) {
	switch field.Kind {
	case String:
		w.string(part)
	case Uint32:
		w.Number(int64(uint32(varint)))
	case Int32:
		w.Number(int64(int32(varint)))
	case Int64:
		w.Number(int64(varint))
	case Enum:
		w.put('"')
		if n := int32(varint); n >= 0 && int(n) < len(field.Names) {
			w.raw(field.Names[n])
		} else {
			w.Number(int64(n))
		}
		w.put('"')
	case Bytes:
		w.put('"')
		w.raw(Base64(string(part)))
		w.put('"')
	case Message:
		w.message(field.Table, part)
	case Timestamp:
		return w.timestamp(w.seconds(part))
	case Duration:
		return w.duration(w.seconds(part))
	case Quantity:
		_, text, _ := w.last(1, wireBytes, part)
		w.raw(`{"text":`)
		w.string(text)
		w.raw(`,"value":`)
		w.quantity(text)
		w.put('}')
	}
	return true
}

// seconds decodes the two fields of a Timestamp or Duration.
func (w *writer) seconds(part []byte) (seconds int64, nanos int32) {
	s, _, _ := w.last(1, wireVarint, part)
	n, _, _ := w.last(2, wireVarint, part)
	return int64(s), int32(n)
}

// A JSON is a buffer for JSON text.
type JSON struct{ Text []byte }

// put appends a byte. It is not inlined, and neither is raw, because each append is
// hundreds of bytes of WebAssembly.
//
//go:noinline
func (j *JSON) put(c byte) { j.Text = append(j.Text, c) }

//go:noinline
func (j *JSON) raw(text string) { j.Text = append(j.Text, text...) }

// Begin writes the start of an object.
func (j *JSON) Begin() { j.put('{') }

// End writes the end of an object.
func (j *JSON) End() { j.put('}') }

// Member writes a member's name, after a comma unless the member is the first.
//
//go:noinline
func (j *JSON) Member(name string) {
	text := j.Text
	if text[len(text)-1] == '{' {
		text = append(text, '"')
	} else {
		text = append(text, `,"`...)
	}
	text = append(text, name...)
	j.Text = append(text, `":`...)
}

// Field writes a string member, unless the string is empty.
func (j *JSON) Field(name, value string) {
	if value != "" {
		j.Member(name)
		j.string([]byte(value))
	}
}

// Number writes a number.
func (j *JSON) Number(n int64) { j.Text = strconv.AppendInt(j.Text, n, 10) }

// Raw writes a value that is already JSON.
func (j *JSON) Raw(text []byte) { j.Text = append(j.Text, text...) }

// string writes a string. Invalid UTF-8 is replaced by U+FFFD.
func (j *JSON) string(text []byte) {
	const hex = "0123456789abcdef"
	j.put('"')
	start := 0
	for i, c := range text {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		j.Text, _ = AppendText(j.Text, text[start:i])
		start = i + 1
		j.put('\\')
		if c >= 0x20 {
			j.put(c)
			continue
		}
		j.raw("u00")
		j.put(hex[c>>4])
		j.put(hex[c&15])
	}
	j.Text, _ = AppendText(j.Text, text[start:])
	j.put('"')
}
