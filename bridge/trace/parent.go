package trace

import "strings"

// headerParent is the header of W3C Trace Context, in canonical form.
const headerParent = "Traceparent"

// Lengths of the fields of traceparent in version 00, in hexadecimal digits.
const (
	versionDigits = 2
	traceDigits   = 32
	spanDigits    = 16
	flagDigits    = 2
	parentLength  = versionDigits + 1 + traceDigits + 1 + spanDigits + 1 + flagDigits
)

// traceID returns the trace id of a traceparent
// (https://www.w3.org/TR/trace-context/#traceparent-header). ok is false for one that is
// malformed, which must be ignored. A later version may have more fields at the end.
func traceID(parent string) (id string, ok bool) {
	if len(parent) < parentLength {
		return "", false
	}
	version, rest := parent[:versionDigits], parent[versionDigits:]
	id, rest = rest[1:1+traceDigits], rest[1+traceDigits:]
	span, rest := rest[1:1+spanDigits], rest[1+spanDigits:]
	flags, more := rest[1:1+flagDigits], rest[1+flagDigits:]
	switch {
	case parent[2] != '-' || parent[35] != '-' || parent[52] != '-',
		!isHex(version) || !isHex(id) || !isHex(span) || !isHex(flags),
		version == "ff" || isZero(id) || isZero(span),
		version == "00" && more != "",
		more != "" && more[0] != '-':
		return "", false
	}
	return strings.Clone(id), true
}

// isHex reports whether text consists of lower-case hexadecimal digits.
func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isZero(text string) bool { return strings.Trim(text, "0") == "" }
