package rest

import (
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// destination is a deployment that something is moved to.
func destination() *marketv1.LeaseID { return &marketv1.LeaseID{Dseq: 99, Gseq: 2} }

func hostnames(names ...string) *webv1.HostnameMigrateRequest {
	return &webv1.HostnameMigrateRequest{LeaseId: destination(), Hostnames: names}
}

// migrateTo makes a call of a migration to a gateway, and counts what reaches it.
func migrateTo(t *testing.T, h http.HandlerFunc, method string, request proto.Message) (answer *webv1.HostnameMigrateResponse, sent int, err error) {
	var posts atomic.Int32
	e := gatewayOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts.Add(1)
		h(w, r)
	}))
	call := callOf(t, e, method, request)
	call.Authorization = bearer(token(nil))
	var got received[webv1.HostnameMigrateResponse, *webv1.HostnameMigrateResponse] // both answers have its form
	if err = testAdapter().Serve(testContext(t), call, got.take); err == nil {
		require.Len(t, got.messages, 1)
		answer = got.messages[0]
	}
	return answer, int(posts.Load()), err
}

// Hostnames and endpoints are sent to the gateway's routes once, and the answer lists what
// was moved.
func TestMigrate(t *testing.T) {
	for _, tt := range []struct {
		method  string
		request proto.Message
		route   string
		body    string
	}{
		{webv1.LeaseREST_HostnameMigrate_FullMethodName, hostnames("a.example", "b.example"), "POST /hostname/migrate",
			`{"hostnames_to_migrate":["a.example","b.example"],"destination_dseq":99,"destination_gseq":2}`},
		{webv1.LeaseREST_EndpointMigrate_FullMethodName, &webv1.EndpointMigrateRequest{LeaseId: destination(), Endpoints: []string{"a.example", "b.example"}}, "POST /endpoint/migrate",
			`{"endpoints_to_migrate":["a.example","b.example"],"destination_dseq":99,"destination_gseq":2}`},
	} {
		answer, sent, err := migrateTo(t, func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, tt.route, r.Method+" "+r.URL.Path)
			assert.Contains(t, r.Header.Get("Authorization"), "Bearer ")
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.JSONEq(t, tt.body, string(body))
			json.NewEncoder(w).Encode(map[string][]string{"transferred": {"a.example", "b.example"}})
		}, tt.method, tt.request)
		require.NoError(t, err)
		assert.Equal(t, []string{"a.example", "b.example"}, answer.GetTransferred())
		assert.Equal(t, 1, sent)
	}
}

// A refused migration and one with an unknown outcome have different errors. Neither is
// sent again.
func TestRefusedMigration(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		code   codes.Code
		reason rpcerror.Reason
		says   string
	}{
		{"no such deployment", says(400, "destination deployment does not exist\n"), codes.NotFound, rpcerror.ReasonUnknownLease, "dseq and gseq"},
		{"not in the manifest", says(400, "the hostname \"a.example\" is not used by this deployment\n"), codes.InvalidArgument, rpcerror.ReasonRequestRefused, `"a.example" is not used`},
		{"in part", says(500, "failed transferring \"b.example\": conflict"), codes.Internal, rpcerror.ReasonProviderFailed, `"b.example": conflict; some hostnames may have been moved`},
		{"given up", says(500, "failed transferring \"b.example\": context deadline exceeded"), codes.Unknown, rpcerror.ReasonOutcomeUnknown, "some hostnames may have been moved"},
		{"by a proxy", says(504, ""), codes.Unknown, rpcerror.ReasonOutcomeUnknown, "gave the request up"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, codes.Unknown, rpcerror.ReasonOutcomeUnknown, "no answer came"},
		{"no route", says(404, "404 page not found\n"), codes.Unimplemented, rpcerror.ReasonNotImplemented, "no such route"},
		{"no right", says(401, `{"message":"unauthorized access"}`), codes.PermissionDenied, rpcerror.ReasonScopeMissing, "hostname-migrate"},
		{"nonsense", says(200, "moved"), codes.Internal, rpcerror.ReasonProviderProtocol, "not a list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, sent, err := migrateTo(t, tt.answer, webv1.LeaseREST_HostnameMigrate_FullMethodName, hostnames("a.example", "b.example"))
			assert.Equal(t, tt.code, requireFault(t, err).Code)
			assert.Equal(t, tt.reason, requireFault(t, err).Reason)
			assert.Contains(t, err.Error(), tt.says)
			assert.Equal(t, 1, sent)
		})
	}
}

// A migration without a deployment or without anything to move is not sent.
func TestMigrationOfNothing(t *testing.T) {
	for _, request := range []*webv1.HostnameMigrateRequest{
		{}, hostnames(), hostnames(""), {LeaseId: &marketv1.LeaseID{Dseq: 1}, Hostnames: []string{"a.example"}},
		{LeaseId: &marketv1.LeaseID{Gseq: 1}, Hostnames: []string{"a.example"}},
	} {
		_, sent, err := migrateTo(t, says(200, "{}"), webv1.LeaseREST_HostnameMigrate_FullMethodName, request)
		assert.Equal(t, codes.InvalidArgument, requireFault(t, err).Code)
		assert.Zero(t, sent)
	}
}
