package relay

import (
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

const headerTimeout = "Grpc-Timeout"

// timeoutUnits are the units of a grpc-timeout, from the finest to the coarsest
// (gRPC over HTTP/2, "TimeoutUnit").
var timeoutUnits = []struct {
	letter byte
	unit   time.Duration
}{
	{'n', time.Nanosecond},
	{'u', time.Microsecond},
	{'m', time.Millisecond},
	{'S', time.Second},
	{'M', time.Minute},
	{'H', time.Hour},
}

// maxTimeoutDigits is the number of digits that the specification allows.
const maxTimeoutDigits = 8

// parseTimeout parses the grpc-timeout header. It returns false if the call has no
// deadline: the header is absent, or its value exceeds a time.Duration.
func parseTimeout(h http.Header) (time.Duration, bool, error) {
	values := h[headerTimeout]
	if len(values) == 0 {
		return 0, false, nil
	}
	malformed := rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata,
		"header grpc-timeout is malformed: want one to eight digits and a unit (H M S m u n), such as 30S")
	if len(values) > 1 || len(values[0]) < 2 || len(values[0]) > maxTimeoutDigits+1 {
		return 0, false, malformed
	}
	digits, letter := values[0][:len(values[0])-1], values[0][len(values[0])-1]
	for _, u := range timeoutUnits {
		if u.letter != letter {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil {
			return 0, false, malformed
		}
		if n > uint64(1<<63-1)/uint64(u.unit) {
			return 0, false, nil
		}
		return time.Duration(n) * u.unit, true, nil
	}
	return 0, false, malformed
}

// formatTimeout formats d in the finest unit that fits eight digits. It rounds up, so
// that the provider never gives up before the bridge does.
func formatTimeout(d time.Duration) string {
	d = max(d, 0)
	for _, u := range timeoutUnits {
		n := d / u.unit
		if d%u.unit > 0 {
			n++
		}
		if n < 100_000_000 {
			return strconv.FormatInt(int64(n), 10) + string(u.letter)
		}
	}
	return "99999999H"
}
