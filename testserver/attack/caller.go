package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// answer is how a call in gRPC-Web ended.
type answer struct {
	status  string // gRPC's, "" for none
	reason  string // akash-error
	message string
	bytes   int
	err     error // without a status
}

func (a answer) ok() bool { return a.err == nil && a.status == "0" }

// clear reports whether the answer is an error with a status and words.
func (a answer) clear() bool {
	return a.err == nil && a.status != "" && a.status != "0" && a.message != ""
}

func (a answer) String() string {
	switch {
	case a.err != nil:
		return "no answer: " + a.err.Error()
	case a.reason != "":
		return a.reason
	}
	return "status " + a.status
}

// callStatus asks for a provider's status.
func callStatus(ctx context.Context, client *http.Client, bridge, provider, host string, timeout time.Duration, more ...string) answer {
	header := http.Header{"Akash-Provider": {provider}, "Akash-Tls": {"insecure"}, "Grpc-Timeout": {fmt.Sprintf("%dm", timeout.Milliseconds())}}
	if host != "" {
		header.Set("Akash-Host-Uri", host)
	}
	for i := 0; i < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	return call(ctx, client, bridge+providerv1.ProviderRPC_GetStatus_FullMethodName, header, nil)
}

// callLogs follows a lease's log.
func callLogs(ctx context.Context, t *target, client *http.Client, provider, host, pin string, timeout time.Duration) answer {
	request, err := proto.Marshal(&leasev1.ServiceLogsRequest{LeaseId: leaseOf(t, provider), Follow: true})
	if err != nil {
		return answer{err: err}
	}
	return call(ctx, client, t.Bridge+leasev1.LeaseRPC_ServiceLogs_FullMethodName, http.Header{
		"Akash-Provider": {provider}, "Akash-Host-Uri": {host}, "Akash-Tls": {pin},
		"Authorization": {"Bearer " + t.JWT}, "Grpc-Timeout": {fmt.Sprintf("%dm", timeout.Milliseconds())},
	}, request)
}

// call makes a call, and reads the answer to its end.
func call(ctx context.Context, client *http.Client, to string, header http.Header, message []byte) (a answer) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // should the bridge not keep to its deadline
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(frame(message)))
	if err != nil {
		return answer{err: err}
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/grpc-web+proto")
	response, err := client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	body := response.Body
	if status := response.Header.Get("Grpc-Status"); status != "" {
		return answer{status: status, reason: response.Header.Get("Akash-Error"), message: response.Header.Get("Grpc-Message")}
	}
	if response.StatusCode != http.StatusOK {
		return answer{err: fmt.Errorf("HTTP status %d", response.StatusCode)}
	}
	for {
		var prefix [5]byte
		if _, err := io.ReadFull(body, prefix[:]); err != nil {
			return answer{err: fmt.Errorf("no trailers: %w", err), bytes: a.bytes}
		}
		length := int64(binary.BigEndian.Uint32(prefix[1:]))
		if prefix[0]&0x80 == 0 {
			n, err := io.CopyN(io.Discard, body, length)
			a.bytes += int(n)
			if err != nil {
				return answer{err: fmt.Errorf("a message is cut short: %w", err), bytes: a.bytes}
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(body, min(length, 64<<10)))
		if err != nil {
			return answer{err: err}
		}
		for line := range strings.SplitSeq(string(text), "\r\n") {
			name, value, _ := strings.Cut(line, ":")
			value = textproto.TrimString(value)
			switch strings.ToLower(name) {
			case "grpc-status":
				a.status = value
			case "grpc-message":
				a.message, _ = url.PathUnescape(value)
			case "akash-error":
				a.reason = value
			}
		}
		return a
	}
}

// frame returns a message with gRPC's prefix.
func frame(message []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(b, message...)
}
