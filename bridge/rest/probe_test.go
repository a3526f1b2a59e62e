package rest

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/provider"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	"akash-provider-web/testserver/fake"
)

// All lines after the last one that is too long are found, wherever that is.
func TestReach(t *testing.T) {
	server := startFake(t, fake.Options{Services: web(4)})
	f := &fieldLog{t: t, server: server}
	short, long := strings.Repeat("short\n", 100), strings.Repeat("x", tooLong)+"\n"
	for replica, log := range []string{
		short[:6*40] + long + short[:6*37],
		long + short[:6*5] + long + short[:6*64],
		short[:6*20],
		short + long + short[:6],
	} {
		f.post(fmt.Sprintf("/write?service=web&replica=%d", replica), log)
	}
	ready := server.Ready()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	call := &Call{Endpoint: &provider.Endpoint{HostURI: ready.HostURI, Transport: transport}, Authorization: "Bearer " + ready.JWT}
	gw, err := newGateway(call, time.Minute)
	require.NoError(t, err)
	l := ready.Lease
	follower := &follower{
		exchange: &exchange{Adapter: New(Options{}), gateway: gw, call: call},
		lease:    &marketv1.LeaseID{Owner: l.Owner, Dseq: l.DSeq, Gseq: l.GSeq, Oseq: l.OSeq},
	}
	pods, err := follower.probe(testContext(t), []string{"web"}, 1, "")
	require.NoError(t, err)
	require.Len(t, pods, 4)
	var got []int
	for pod := range pods {
		r, err := follower.reach(testContext(t), []string{"web"}, pod, nil)
		require.NoError(t, err)
		assert.Equal(t, r.lines == 32, r.whole)
		got = append(got, r.lines)
	}
	// Without such a line, the whole log is requested, which has at most 32 lines.
	assert.ElementsMatch(t, []int{37, 64, 32, 1}, got)
}
