package sdk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// roundTrip is a transport in one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// frames are messages as a provider sends them.
func frames(messages ...string) string {
	var b []byte
	for _, m := range messages {
		b = append(binary.BigEndian.AppendUint32(append(b, 0), uint32(len(m))), m...)
	}
	return string(b)
}

// answer is one of a provider's, with its trailers.
func answer(body string, trailers ...string) roundTrip {
	trailer := http.Header{}
	for i := 0; i < len(trailers); i += 2 {
		trailer.Set(trailers[i], trailers[i+1])
	}
	return func(r *http.Request) (*http.Response, error) {
		response := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/grpc"}}, Body: io.NopCloser(strings.NewReader(body)), Trailer: trailer}
		if body == "" { // Trailers-Only
			for key, values := range trailer {
				response.Header[key] = values
			}
		}
		return response, nil
	}
}

func serve(t *testing.T, transport roundTrip) (messages []string, err error) {
	t.Helper()
	err = Serve(t.Context(), &Call{
		Endpoint: &provider.Endpoint{Addr: "provider.example:8444", Version: "v0.16.0", Transport: transport},
		Provider: "akash1provider",
		Method:   webv1.LeaseREST_AttestationQuote_FullMethodName,
		Message:  []byte("request"),
		Header:   http.Header{"Authorization": {"Bearer x"}},
	}, func(m []byte) error {
		messages = append(messages, string(m))
		return nil
	})
	return messages, err
}

// The request has the SDK's path, the credential and the message as it was.
func TestRequest(t *testing.T) {
	messages, err := serve(t, func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, "POST https://provider.example:8444/akash.provider.lease.v1.LeaseRPC/AttestationQuote", r.Method+" "+r.URL.String())
		assert.Equal(t, []string{"Bearer x"}, r.Header["Authorization"])
		assert.Equal(t, "trailers", r.Header.Get("Te"))
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, frames("request"), string(body))
		return answer(frames("one", "two"), "Grpc-Status", "0")(r)
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"one", "two"}, messages)
}

// However an answer ends, the error says why and at which provider.
func TestAnswersThatAreNone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer roundTrip
		code   codes.Code
		reason rpcerror.Reason
	}{
		{"refused", answer("", "Grpc-Status", "5", "Grpc-Message", "lease%20not found"), codes.NotFound, rpcerror.ReasonRequestRefused},
		{"no status", answer(frames("x")), codes.Internal, rpcerror.ReasonProviderProtocol},
		{"an odd status", answer(frames("x"), "Grpc-Status", "x"), codes.Internal, rpcerror.ReasonProviderProtocol},
		{"cut short", answer(frames("message")[:7], "Grpc-Status", "0"), codes.Unavailable, rpcerror.ReasonProviderGone},
		{"compressed", answer("\x01"+frames("x")[1:], "Grpc-Status", "0"), codes.Internal, rpcerror.ReasonProviderProtocol},
		{"too long", answer("\x00\xff\xff\xff\xff", "Grpc-Status", "0"), codes.ResourceExhausted, rpcerror.ReasonProviderProtocol},
		{"not implemented after a message", answer(frames("x"), "Grpc-Status", "12"), codes.Unimplemented, rpcerror.ReasonNotImplemented},
		{"no connection", func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") }, codes.Unavailable, rpcerror.ReasonProviderGone},
		{"HTML", func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 502, Header: http.Header{"Content-Type": {"text/html"}}, Body: io.NopCloser(bytes.NewReader(nil))}, nil
		}, codes.Internal, rpcerror.ReasonProviderProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := serve(t, tt.answer)
			var e *rpcerror.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.code, e.Code, e.Message)
			assert.Equal(t, tt.reason, e.Reason, e.Message)
			assert.Equal(t, "akash1provider", e.Provider)
		})
	}
	_, err := serve(t, answer("", "Grpc-Status", "12", "Grpc-Message", "method AttestationQuote not implemented"))
	assert.Equal(t, ErrNotImplemented, err, "so that REST is tried")
}
