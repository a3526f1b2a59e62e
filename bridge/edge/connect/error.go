package connect

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	statusv1 "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/rpcerror"
)

// Trailers of gRPC that are not metadata, in canonical form.
const (
	trailerStatus  = "Grpc-Status"
	trailerMessage = "Grpc-Message"
	trailerDetails = "Grpc-Status-Details-Bin"
)

// A failure is the error of a call in the form of Connect ("Error").
type failure struct {
	code codes.Code

	Code    string   `json:"code"`
	Message string   `json:"message,omitempty"`
	Details []detail `json:"details,omitempty"`
}

// A detail is a message that says more of an error: its type and, in base64, its bytes.
type detail struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// errorCodes are Connect's names and HTTP statuses of codes ("Error Codes").
var errorCodes = map[codes.Code]struct {
	name   string
	status int
}{
	codes.Canceled:           {"canceled", 499},
	codes.Unknown:            {"unknown", http.StatusInternalServerError},
	codes.InvalidArgument:    {"invalid_argument", http.StatusBadRequest},
	codes.DeadlineExceeded:   {"deadline_exceeded", http.StatusGatewayTimeout},
	codes.NotFound:           {"not_found", http.StatusNotFound},
	codes.AlreadyExists:      {"already_exists", http.StatusConflict},
	codes.PermissionDenied:   {"permission_denied", http.StatusForbidden},
	codes.ResourceExhausted:  {"resource_exhausted", http.StatusTooManyRequests},
	codes.FailedPrecondition: {"failed_precondition", http.StatusBadRequest},
	codes.Aborted:            {"aborted", http.StatusConflict},
	codes.OutOfRange:         {"out_of_range", http.StatusBadRequest},
	codes.Unimplemented:      {"unimplemented", http.StatusNotImplemented},
	codes.Internal:           {"internal", http.StatusInternalServerError},
	codes.Unavailable:        {"unavailable", http.StatusServiceUnavailable},
	codes.DataLoss:           {"data_loss", http.StatusInternalServerError},
	codes.Unauthenticated:    {"unauthenticated", http.StatusUnauthorized},
}

// status returns the HTTP status of a unary answer.
func (f *failure) status() int { return errorCodes[f.code].status }

func (f *failure) encode() []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err) // it consists of strings
	}
	return b
}

func newFailure(code codes.Code, message string) *failure {
	if _, ok := errorCodes[code]; !ok {
		code = codes.Unknown
	}
	return &failure{code: code, Code: errorCodes[code].name, Message: strings.ToValidUTF8(message, "�")}
}

// errorFrom returns the failure that err stands for.
func errorFrom(err error) *failure {
	var known *rpcerror.Error
	if errors.As(err, &known) {
		return newFailure(known.Code, known.Error())
	}
	return newFailure(codes.Internal, err.Error())
}

// errorOf returns the error in the trailers of gRPC, or nil if the call succeeded.
func errorOf(trailers http.Header) *failure {
	code, err := strconv.ParseUint(trailers.Get(trailerStatus), 10, 32)
	switch {
	case err != nil:
		code = uint64(codes.Internal)
	case codes.Code(code) == codes.OK:
		return nil
	}
	message := trailers.Get(trailerMessage)
	if decoded, err := url.PathUnescape(message); err == nil {
		message = decoded
	}
	f := newFailure(codes.Code(code), message)
	f.Details = detailsOf(trailers.Get(trailerDetails))
	return f
}

// detailsOf returns the details in a google.rpc.Status, which gRPC sends in base64. It
// leaves out what is malformed.
func detailsOf(value string) []detail {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
	var status statusv1.Status
	if err != nil || proto.Unmarshal(raw, &status) != nil {
		return nil
	}
	var details []detail
	for _, d := range status.GetDetails() {
		details = append(details, detail{
			Type:  d.GetTypeUrl()[strings.LastIndexByte(d.GetTypeUrl(), '/')+1:],
			Value: base64.RawStdEncoding.EncodeToString(d.GetValue()),
		})
	}
	return details
}

// metadataOf returns trailers without those that are the status.
func metadataOf(trailers http.Header) http.Header {
	out := make(http.Header, len(trailers))
	for key, values := range trailers {
		if key != trailerStatus && key != trailerMessage && key != trailerDetails {
			out[key] = values
		}
	}
	return out
}
