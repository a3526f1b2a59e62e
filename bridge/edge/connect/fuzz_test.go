package connect

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// fuzzLimit is the limit of a message.
const fuzzLimit = 1 << 10

var fuzzTypes = []protoreflect.MessageType{
	(&leasev1.ServiceLogsRequest{}).ProtoReflect().Type(),
	(&webv1.ShellRequest{}).ProtoReflect().Type(),
	(&providerv1.Status{}).ProtoReflect().Type(),
}

// reading is a relay.Server that reads the request, and answers with what it read.
type reading struct {
	messages [][]byte
	err      error
}

func (s *reading) ServeRPC(w relay.Response, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.err = err
	if s.err != nil {
		relay.Refuse(w, s.err)
		return
	}
	for rest := body; len(rest) > 0; {
		if len(rest) < grpcwire.PrefixSize || rest[0] != 0 {
			s.err = errors.New("not a gRPC message")
			return
		}
		end := grpcwire.PrefixSize + int(rest[1])<<24 + int(rest[2])<<16 + int(rest[3])<<8 + int(rest[4])
		if end > len(rest) {
			s.err = errors.New("a gRPC message is cut short")
			return
		}
		s.messages = append(s.messages, rest[grpcwire.PrefixSize:end])
		rest = rest[end:]
	}
	w.WriteHeader()
	_, _ = w.Write([][]byte{body})
	w.Finish(http.Header{"Grpc-Status": {"0"}})
}

// Whatever a client sends as a body, the server behind gets whole gRPC messages of the
// method's type, or the client an error in JSON.
func FuzzRequest(f *testing.F) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write(make([]byte, 10*fuzzLimit))
	_ = w.Close()
	for i, body := range [][]byte{
		[]byte(`{"leaseId":{"dseq":"18446744073709551615"},"follow":true,"unknown":[{}]}`),
		[]byte(`{"start":{"command":["sh"],"tty":true}}`), []byte(`{"leaseId":{"dseq":1e400}}`),
		[]byte(strings.Repeat(`{"leaseId":`, 100)), []byte(`"\ud800"`), []byte(`{}{}`), nil,
		append([]byte{0, 0, 0, 0, 2}, "{}"...), append([]byte{1, 0, 0, 0, byte(zipped.Len())}, zipped.Bytes()...),
		{0, 0xff, 0xff, 0xff, 0xff}, {2, 0, 0, 0, 0}, zipped.Bytes(),
	} {
		f.Add(body, uint8(i), i%2 == 0, i%3 == 0, "")
		f.Add(body, uint8(i), i%2 == 1, i%3 == 1, "gzip")
	}
	f.Fuzz(func(t *testing.T, body []byte, kind uint8, streaming, binary bool, encoding string) {
		method := Method{Input: fuzzTypes[int(kind)%len(fuzzTypes)], Output: fuzzTypes[int(kind)%len(fuzzTypes)], Streaming: streaming}
		form := map[[2]bool]string{{false, false}: typeJSON, {false, true}: typeProto, {true, false}: typeStreamJSON, {true, true}: typeStreamProto}[[2]bool{streaming, binary}]
		server := &reading{}
		h := Handler(server, Options{Method: func(*http.Request) (Method, bool) { return method, true }, MaxRequest: fuzzLimit, Arrival: 1e9})
		r := httptest.NewRequest(http.MethodPost, "/akash.Service/Method", bytes.NewReader(body))
		r.Header.Set("Content-Type", form)
		header := headerEncoding
		if streaming {
			header = headerStreamEncoding
		}
		if encoding != "" {
			r.Header.Set(header, encoding)
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)

		if server.err != nil {
			var known *rpcerror.Error
			if errors.As(server.err, &known) {
				require.NotEqual(t, codes.OK, known.Code)
			}
			require.NotContains(t, server.err.Error(), "not a gRPC message")
			require.NotContains(t, server.err.Error(), "cut short gRPC")
		}
		for _, message := range server.messages {
			require.LessOrEqual(t, len(message), fuzzLimit)
			if !binary {
				require.NoError(t, proto.Unmarshal(message, method.Input.New().Interface()))
			}
		}
		switch got := answer.Body.Bytes(); {
		case streaming:
			require.Equal(t, http.StatusOK, answer.Code)
			// The last message says how the stream ended.
			last := got
			for len(got) > 0 {
				require.GreaterOrEqual(t, len(got), grpcwire.PrefixSize)
				end := grpcwire.PrefixSize + int(got[1])<<24 + int(got[2])<<16 + int(got[3])<<8 + int(got[4])
				require.LessOrEqual(t, end, len(got))
				last, got = got[:end], got[end:]
			}
			require.Equal(t, byte(flagEnd), last[0])
			require.True(t, json.Valid(last[grpcwire.PrefixSize:]))
		case answer.Code != http.StatusOK:
			require.True(t, json.Valid(got), "%s", got)
		case !binary:
			require.True(t, json.Valid(got), "%s", got)
		}
	})
}
