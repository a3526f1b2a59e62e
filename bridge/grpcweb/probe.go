package grpcweb

import (
	"net/http"
	"strconv"
	"time"

	"akash-provider-web/bridge/internal/grpcwire"
)

// headerProbe asks for an answer that is sent in two parts, instead of a call. A client
// learns from the time between them whether a proxy before the bridge passes a stream
// on as it comes, or holds it back until it ends (npm/src/transport/probe.ts). The
// answer's header tells how far apart the parts are sent, in milliseconds.
const headerProbe = "Akash-Probe"

// probeTime is how far apart the parts of a probe's answer are sent.
const probeTime = time.Second

// maxProbes bounds how many probes are answered at a time. Others get an answer that
// tells nothing.
const maxProbes = 256

// emptyMessage is a gRPC-Web message without content, which clients skip.
var emptyMessage = make([]byte, grpcwire.PrefixSize)

// probe sends a message, and the trailers after probeTime.
func (h *handler) probe(w http.ResponseWriter, r *http.Request, contentType string) {
	a := newResponse(w, r, []string{contentType}, h.options.Calls)
	defer a.end()
	a.Finish(http.Header{"Grpc-Status": {"0"}})
	defer h.probes.Add(-1)
	if h.probes.Add(1) > maxProbes {
		return
	}
	a.Header().Set(headerProbe, strconv.FormatInt(probeTime.Milliseconds(), 10))
	a.WriteHeader()
	_, _ = a.Write([][]byte{emptyMessage}) // an error means that the page has left
	a.Flush()
	timer := time.NewTimer(probeTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}
