package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/testserver/fake"
)

// post makes a Connect call by hand.
func (w *world) post(t *testing.T, path string, header http.Header, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header = header
	response, err := w.HTTP.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(all)
}

// curl gets a provider's status in one line.
func TestCurlGetsAStatus(t *testing.T) {
	curl, err := exec.LookPath("curl")
	require.NoError(t, err, "make test-go installs it")
	w := startWorld(t, fake.Options{})
	out, err := exec.CommandContext(t.Context(), curl, "-sf", "-H", "content-type: application/json", "-d", "{}",
		w.URL+"/"+w.fake.Provider+pathGetStatus).Output()
	require.NoError(t, err)
	var status struct {
		Cluster struct {
			Inventory struct {
				Cluster struct{ Nodes []struct{ Name string } }
			}
		}
	}
	require.NoError(t, json.Unmarshal(out, &status))
	require.NotEmpty(t, status.Cluster.Inventory.Cluster.Nodes)
	assert.NotEmpty(t, status.Cluster.Inventory.Cluster.Nodes[0].Name)
}

// A call with a body in JSON gets its answer in JSON, or an error as Connect has them,
// over providers' gRPC and REST.
func TestCallsInJSON(t *testing.T) {
	for version, dialect := range map[string]fake.Dialect{"0.16.0": fake.DialectAEP37, "0.8.4": fake.DialectNone} {
		w := startWorld(t, fake.Options{ProviderVersion: version, LeaseRPC: dialect, LogLines: 5000})
		path := "/" + w.fake.Provider + pathGetStatus
		jsonCall := func(more ...string) http.Header {
			h := http.Header{"Content-Type": {"application/json"}}
			for i := 0; i < len(more); i += 2 {
				h.Set(more[i], more[i+1])
			}
			return h
		}
		t.Run(version, func(t *testing.T) {
			for _, body := range []string{"{}", "", `{"unknown": 1}`} {
				response, text := w.post(t, path, jsonCall(), body)
				require.Equal(t, http.StatusOK, response.StatusCode, text)
				assert.Equal(t, "application/json", response.Header.Get("Content-Type"))
				assert.Equal(t, "chain", response.Header.Get("Akash-Verified"))
				assert.Equal(t, "one-node", response.Header.Get("Akash-Trust"))
				assert.Contains(t, text, `"cluster"`)
			}
			var zipped bytes.Buffer
			z := gzip.NewWriter(&zipped)
			fmt.Fprint(z, "{}")
			require.NoError(t, z.Close())
			response, text := w.post(t, path, jsonCall("Content-Encoding", "gzip"), zipped.String())
			assert.Equal(t, http.StatusOK, response.StatusCode, text)

			for _, bad := range []struct {
				name, path, body string
				header           http.Header
				status           int
				code, message    string
			}{
				{"not JSON", path, "{", jsonCall(), 400, "invalid_argument", "not JSON of the message google.protobuf.Empty"},
				{"no such method", "/" + w.fake.Provider + "/akash.provider.v1.ProviderRPC/Nothing", "{}", jsonCall(), 404, "unimplemented", "does not relay"},
				{"no provider", pathGetStatus, "{}", jsonCall(), 400, "invalid_argument", "akash-provider is missing"},
				{"a host of the caller's", path, "{}", jsonCall("Akash-Host-Uri", "https://x.example"), 403, "permission_denied", "--allow-host-override"},
				{"another encoding", path, "{}", jsonCall("Content-Encoding", "br"), 501, "unimplemented", "want gzip or identity"},
				{"not gzip", path, "{}", jsonCall("Content-Encoding", "gzip"), 400, "invalid_argument", "not compressed as its headers say"},
				{"too large", path, strings.Repeat(" ", 5<<20), jsonCall(), 429, "resource_exhausted", "larger than the bridge's limit"},
				{"a timeout that is none", path, "{}", jsonCall("Connect-Timeout-Ms", "soon"), 400, "invalid_argument", "milliseconds"},
				{"a version from the future", path, "{}", jsonCall("Connect-Protocol-Version", "2"), 400, "invalid_argument", "want 1"},
			} {
				response, text := w.post(t, bad.path, bad.header, bad.body)
				assert.Equal(t, bad.status, response.StatusCode, "%s: %s", bad.name, text)
				var failure struct{ Code, Message string }
				require.NoError(t, json.Unmarshal([]byte(text), &failure), "%s: %s", bad.name, text)
				assert.Equal(t, bad.code, failure.Code, bad.name)
				assert.Contains(t, failure.Message, bad.message, bad.name)
			}

			response, text = w.post(t, path, jsonCall("Origin", "https://elsewhere.example"), "{}")
			assert.Equal(t, http.StatusForbidden, response.StatusCode)
			assert.Contains(t, text, "--allow-origin")
			response, _ = w.post(t, path, jsonCall("Origin", "http://localhost:5173"), "{}")
			assert.Equal(t, "http://localhost:5173", response.Header.Get("Access-Control-Allow-Origin"))
			assert.Contains(t, response.Header.Get("Access-Control-Expose-Headers"), "Akash-Verified")
			assert.Contains(t, response.Header.Get("Access-Control-Expose-Headers"), "Akash-Trust")

			response, text = w.post(t, "/"+w.fake.Provider+pathLogs, jsonCall(), "{}")
			assert.Equal(t, http.StatusUnsupportedMediaType, response.StatusCode)
			assert.Contains(t, text, "application/connect+json")
		})
		t.Run(version+" stream", func(t *testing.T) {
			request := fmt.Sprintf(`{"leaseId": {"owner": %q, "dseq": "%d", "gseq": %d, "oseq": %d, "provider": %q}}`,
				w.fake.Lease.Owner, w.fake.Lease.DSeq, w.fake.Lease.GSeq, w.fake.Lease.OSeq, w.fake.Provider)
			response, text := w.post(t, "/"+w.fake.Provider+pathLogs,
				http.Header{"Content-Type": {"application/connect+json"}, "Authorization": {"Bearer " + w.fake.JWT}},
				string([]byte{0, 0, 0, 0, byte(len(request))})+request)
			require.Equal(t, http.StatusOK, response.StatusCode, text)
			lines, end := 0, ""
			for len(text) >= 5 {
				flag, size := text[0], 5+int(text[1])<<24+int(text[2])<<16+int(text[3])<<8+int(text[4])
				if flag == 2 {
					end = text[5:size]
				} else {
					var m struct{ Services []struct{ Logs []byte } }
					require.NoError(t, json.Unmarshal([]byte(text[5:size]), &m))
					for _, service := range m.Services {
						lines += bytes.Count(service.Logs, []byte("\n"))
					}
				}
				text = text[size:]
			}
			assert.Equal(t, 5000, lines)
			assert.Equal(t, `{}`, end)
		})
	}
}
