package grpcweb

// A Code is a gRPC status code
// (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md).
type Code uint32

// The status codes of gRPC.
const (
	OK                 Code = 0
	Canceled           Code = 1
	Unknown            Code = 2
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	AlreadyExists      Code = 6
	PermissionDenied   Code = 7
	ResourceExhausted  Code = 8
	FailedPrecondition Code = 9
	Aborted            Code = 10
	OutOfRange         Code = 11
	Unimplemented      Code = 12
	Internal           Code = 13
	Unavailable        Code = 14
	DataLoss           Code = 15
	Unauthenticated    Code = 16
)

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED",
	"NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// String returns the code's name in the specification, such as "UNAVAILABLE". Codes
// that gRPC does not define are UNKNOWN.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return codeNames[Unknown]
}

// CodeOfHTTP returns the code for a response with an HTTP status but no grpc-status
// (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
func CodeOfHTTP(status int) Code {
	switch status {
	case 400:
		return Internal
	case 401:
		return Unauthenticated
	case 403:
		return PermissionDenied
	case 404:
		return Unimplemented
	case 429, 502, 503, 504:
		return Unavailable
	}
	return Unknown
}

// parseCode parses the value of grpc-status. It returns Unknown for a value that is
// not a code of gRPC.
func parseCode(text string) Code {
	if len(text) == 0 || len(text) > 2 {
		return Unknown
	}
	code := Code(0)
	for i := range len(text) {
		digit := text[i] - '0'
		if digit > 9 {
			return Unknown
		}
		code = code*10 + Code(digit)
	}
	if int(code) >= len(codeNames) {
		return Unknown
	}
	return code
}
