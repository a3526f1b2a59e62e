package message

// A Kind is how a field's value is encoded and what it becomes in JSON.
type Kind uint8

// The kinds that providers' answers are made of.
const (
	String    Kind = iota // a string, or bytes that are text; what is not UTF-8 becomes U+FFFD
	Uint32                // a number
	Int32                 // a number
	Int64                 // a number, exact to 2^53
	Enum                  // the value's name in lower case, or its number as a string
	Message               // an object
	Timestamp             // RFC 3339 text in UTC, such as "2026-08-28T10:00:00.5Z"
	Duration              // {"text":"86400s","seconds":86400}
	Quantity              // {"text":"63900m","value":63.9}
)

// A Label says how often a field occurs.
type Label uint8

const (
	// Single is at most once: an absent scalar has its default value, an absent
	// message is left out.
	Single Label = iota
	// Optional is left out where it is absent, whatever its kind.
	Optional
	// Repeated is an array, empty where the field is absent.
	Repeated
	// Map is an object from strings to values of the kind, empty where absent.
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

// A Table is the fields of a message, in the order that JSON has them.
type Table []Field
