package fake_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// outline returns the paths in a JSON value and the kinds of value they lead to.
func outline(v any) map[string]string {
	paths := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				walk(path+"."+key, value)
			}
		case []any:
			for _, value := range v {
				walk(path+"[]", value)
			}
		default:
			paths[path] = fmt.Sprintf("%T", v)
		}
	}
	walk("", v)
	return paths
}

// quiet is a seed whose provider has no pending reservation, as in the fixtures.
const quiet = 3

// The AEP-86 alphas describe the latest snapshot of their inventory in /status.
func TestStatusDescribesTheLatestSnapshot(t *testing.T) {
	s := start(t, fake.Options{Seed: quiet, ProviderVersion: "0.16.0-a4"})
	described := func() (status struct {
		Latest *struct {
			Provider, Hash, Signature string
			SchemaVersion             int       `json:"schema_version"`
			CreatedAt                 time.Time `json:"created_at"`
			Validation                map[string]string
		} `json:"verification_inventory"`
	}) {
		_, text := fetch(t, browser(t), http.MethodGet, "https://"+s.Ready().REST+"/status", "")
		require.NoError(t, json.Unmarshal([]byte(text), &status))
		return status
	}
	assert.Nil(t, described().Latest, "none has been taken")
	answer, err := inventoryv1.NewInventoryServiceClient(dial(t, s)).GetInventorySnapshot(deadline(t), &inventoryv1.GetInventorySnapshotRequest{Nonce: make([]byte, 32)})
	require.NoError(t, err)
	latest := described().Latest
	require.NotNil(t, latest)
	sum := sha256.Sum256(answer.GetSnapshotPayload())
	assert.Equal(t, base64.StdEncoding.EncodeToString(sum[:]), latest.Hash)
	assert.Equal(t, base64.StdEncoding.EncodeToString(answer.GetSignature()), latest.Signature)
	assert.Equal(t, s.Ready().Provider, latest.Provider)
	assert.Equal(t, 1, latest.SchemaVersion)
	assert.WithinDuration(t, time.Now(), latest.CreatedAt, time.Minute)
	assert.Equal(t, map[string]string{"status": "unvalidated"}, latest.Validation)
}

// The REST gateway's responses have the form of real ones.
func TestRESTShapes(t *testing.T) {
	s := start(t, fake.Options{Seed: quiet, ProviderVersion: "0.13.0"})
	for route, fixture := range map[string]string{
		"/status":  "testdata/rest.status.json",
		"/version": "testdata/rest.version.json",
	} {
		var want, got any
		readJSON(t, fixture, &want)
		response, text := fetch(t, browser(t), http.MethodGet, "https://"+s.Ready().REST+route, "")
		require.NoError(t, json.Unmarshal([]byte(text), &got))
		assert.Equal(t, outline(want), outline(got), route)
		assert.Equal(t, "application/json; charset=UTF-8", response.Header.Get("Content-Type"))
		assert.Equal(t, "HTTP/1.1", response.Proto)
	}
}

// No CORS: a preflight is a wrong method, and no response allows an origin.
func TestNoCORS(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	response, text := fetch(t, browser(t), http.MethodOptions, "https://"+s.Ready().REST+"/status", "")
	assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
	assert.Empty(t, text)
	for name := range response.Header {
		assert.NotContains(t, name, "Access-Control")
	}
	response, text = fetch(t, browser(t), http.MethodGet, "https://"+s.Ready().REST+"/nothing", "")
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
	assert.Equal(t, "404 page not found\n", text)
}

// Requests are recorded with their metadata.
func TestRequestsAreRecorded(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	require.NoError(t, getStatus(t, statusClient(t, s), long))
	request, err := http.NewRequest(http.MethodGet, "https://"+s.Ready().REST+"/status", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer secret")
	response, err := browser(t).Do(request)
	require.NoError(t, err)
	response.Body.Close()

	var seen []fake.Request
	control(t, s, http.MethodGet, "/requests", "", &seen)
	require.Len(t, seen, 2)
	assert.Equal(t, "/akash.provider.v1.ProviderRPC/GetStatus", seen[0].Method)
	assert.Equal(t, "grpc", seen[0].Protocol)
	assert.False(t, seen[0].Authorization)
	assert.Contains(t, seen[0].Metadata, "user-agent")
	assert.Equal(t, "GET /status", seen[1].Method)
	assert.True(t, seen[1].Authorization)
	assert.Contains(t, seen[1].Metadata, "authorization")
}

// The status over gRPC has the form of a real one.
func TestStatusShape(t *testing.T) {
	wire, err := os.ReadFile("testdata/getstatus.pb")
	require.NoError(t, err)
	var real providerv1.Status
	require.NoError(t, proto.Unmarshal(wire, &real))
	s := start(t, fake.Options{Seed: quiet, ProviderVersion: "0.14.1"})
	got, err := statusClient(t, s).GetStatus(deadline(t), &emptypb.Empty{})
	require.NoError(t, err)
	assert.NotNil(t, got.GetReclamationWindow()) // the fixture's provider has set none
	got.ReclamationWindow = nil

	shape := func(m proto.Message) map[string]string {
		text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(m)
		require.NoError(t, err)
		var v any
		require.NoError(t, json.Unmarshal(text, &v))
		return outline(v)
	}
	assert.Equal(t, shape(&real), shape(got))
}
