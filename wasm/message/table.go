package message

// A Kind is the encoding of a field's value and its form in JSON.
type Kind uint8

// The kinds of fields in providers' responses.
const (
	String    Kind = iota // a string, or bytes with text; invalid UTF-8 is replaced by U+FFFD
	Uint32                // a number; of a bool 1 or 0
	Int32                 // a number
	Int64                 // a number, exact to 2^53
	Enum                  // the value's name in lower case, or its number as a string
	Bytes                 // base64 text without padding; also of an encoded message
	Message               // an object
	Timestamp             // RFC 3339 text in UTC, such as "2026-08-28T10:00:00.5Z"
	Duration              // {"text":"86400s","seconds":86400}
	Quantity              // {"text":"63900m","value":63.9}
)

// A Label says how often a field may occur.
type Label uint8

const (
	// Single occurs at most once. An absent scalar has its default value; an absent
	// message is omitted.
	Single Label = iota
	// Optional occurs at most once, and is omitted if absent.
	Optional
	// Repeated is an array, which is empty if the field is absent.
	Repeated
	// Map is an object with strings as keys, which is empty if the field is absent.
	Map
)

// A Field is one field of a message.
type Field struct {
	Number uint32
	Name   string // in JSON
	Kind   Kind
	Label  Label
	Table  *Table   // of Message
	Names  []string // of Enum, by number
}

// A Table describes the fields of a message, in the order of the JSON.
type Table []Field
