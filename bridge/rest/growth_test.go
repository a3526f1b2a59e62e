package rest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/provider"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
)

// A lease gets new replicas repeatedly while all replicas write as fast as they can. The
// page receives every line of each of them exactly once, although each new replica needs
// another socket.
func TestGrowthUnderLoad(t *testing.T) {
	for _, tail := range []int{-1, 5} {
		t.Run(fmt.Sprintf("tail %d", tail), func(t *testing.T) {
			server, err := fake.Start(t.Context(), fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0", LogLines: 5000, LogRate: 3000})
			require.NoError(t, err)
			defer server.Close()
			ready := server.Ready()
			transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer transport.CloseIdleConnections()

			l := ready.Lease
			call := callOf(t, &provider.Endpoint{HostURI: ready.HostURI, Transport: transport}, leasev1.LeaseRPC_ServiceLogs_FullMethodName, &leasev1.ServiceLogsRequest{
				LeaseId: &marketv1.LeaseID{Owner: l.Owner, Dseq: l.DSeq, Gseq: l.GSeq, Oseq: l.OSeq}, Follow: true,
			})
			call.Authorization, call.Tail = "Bearer "+ready.JWT, tail

			var mu sync.Mutex
			logs := make(map[string]*strings.Builder)
			wanted, arrived := "", make(chan struct{}, 1)
			ctx, leave := context.WithCancel(testContext(t))
			defer leave()
			done := make(chan error, 1)
			go func() {
				done <- New(Options{LeaseInterval: 100 * time.Millisecond}).Serve(ctx, call, func(message []byte) error {
					var m leasev1.ServiceLogsResponse
					if err := proto.Unmarshal(message, &m); err != nil {
						return err
					}
					mu.Lock()
					defer mu.Unlock()
					for _, s := range m.GetServices() {
						replica := fmt.Sprintf("service=%s&replica=%d", s.GetName(), s.GetReplica())
						if logs[replica] == nil {
							logs[replica] = new(strings.Builder)
						}
						logs[replica].Write(s.GetLogs())
						if replica == wanted {
							select {
							case arrived <- struct{}{}:
							default:
							}
						}
					}
					return nil
				})
			}()
			for replica := 3; replica < 5; replica++ {
				mu.Lock()
				wanted = fmt.Sprintf("service=web&replica=%d", replica)
				select {
				case <-arrived: // of the one before
				default:
				}
				mu.Unlock()
				post(t, ready.Control+"/grow?service=web")
				select {
				case <-arrived:
				case err := <-done:
					require.FailNow(t, "the log ended early", "%v", err)
				}
			}
			leave()
			<-done

			require.Len(t, slices.Collect(maps.Keys(logs)), 7)
			for replica, log := range logs {
				response, err := http.Get(ready.Control + "/log?" + replica)
				require.NoError(t, err)
				written, err := io.ReadAll(response.Body)
				response.Body.Close()
				require.NoError(t, err)
				got := log.String()
				start := strings.Index(string(written), got[:strings.Index(got, "\n")+1])
				assert.True(t, strings.HasPrefix(string(written)[start:], got), "%s: %d lines with a gap or a double", replica, strings.Count(got, "\n"))
				if tail < 0 {
					assert.Zero(t, start, "%s from its first line", replica)
				}
			}
		})
	}
}

func post(t *testing.T, url string) {
	response, err := http.Post(url, "", nil)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
}
