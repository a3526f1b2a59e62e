package grpcweb

import "strconv"

// TimeoutHeader is the name of the header with a call's timeout.
const TimeoutHeader = "grpc-timeout"

// maxTimeout is the largest number that the specification allows: eight digits.
const maxTimeout = 99_999_999

// Timeout formats a timeout in milliseconds as the value of TimeoutHeader
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Timeout").
func Timeout(ms int) string {
	ms = max(ms, 0)
	if ms <= maxTimeout {
		return strconv.Itoa(ms) + "m"
	}
	return strconv.Itoa(min(ms/1000, maxTimeout)) + "S"
}
