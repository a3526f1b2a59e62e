package grpcweb

import "strconv"

// TimeoutHeader carries a call's deadline to the server.
const TimeoutHeader = "grpc-timeout"

// maxTimeoutDigits is how many digits the specification allows.
const maxTimeoutDigits = 99_999_999

// Timeout formats a deadline in milliseconds for TimeoutHeader
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Timeout").
func Timeout(ms int) string {
	ms = max(ms, 0)
	if ms <= maxTimeoutDigits {
		return strconv.Itoa(ms) + "m"
	}
	return strconv.Itoa(min(ms/1000, maxTimeoutDigits)) + "S"
}
