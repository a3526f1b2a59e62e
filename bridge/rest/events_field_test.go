package rest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// objects are objects of a lease with the services web, web-api and web-data, and the
// service that each belongs to.
var objects = []struct{ kind, name, service string }{
	{"Pod", "web-7f8b9c6d5-x2x9p", "web"},
	{"Pod", "web-api-5c4d7f9b8-qk7lz", "web-api"},
	{"Pod", "web-data-0", "web-data"},
	{"Pod", "website-7f8b9c6d5-x2x9p", ""},
	{"ReplicaSet", "web-7f8b9c6d5", "web"},
	{"ReplicaSet", "web-api-5c4d7f9b8", "web-api"},
	{"Deployment", "web", "web"},
	{"Deployment", "web-api", "web-api"},
	{"StatefulSet", "web-data", "web-data"},
	{"Service", "web", "web"},
	{"Service", "web-np", "web"},
	{"Service", "web-api-np", "web-api"},
	{"PersistentVolumeClaim", "web-data-web-0", "web"},
	{"PersistentVolumeClaim", "web-data-files-web-data-12", "web-data"},
	{"Ingress", "web.example.com", "web"},
	{"Ingress", "api.example.com", "web-api"},
	{"HTTPRoute", "web.example.com", "web"},
	{"Node", "node1", ""},
}

// eventsOf lists the names of the objects of a service's events.
func (g *leaseGateway) eventsOf(service string) (names []string) {
	g.t.Helper()
	call := callOf(g.t, g.Endpoint, webv1.LeaseREST_StreamLeaseEvents_FullMethodName,
		&webv1.StreamLeaseEventsRequest{LeaseId: testLease(), Service: service})
	var got received[webv1.LeaseEvent, *webv1.LeaseEvent]
	require.NoError(g.t, New(Options{}).Serve(testContext(g.t), call, got.take))
	for _, e := range got.messages {
		names = append(names, e.GetObject().GetKind()+" "+e.GetObject().GetName())
	}
	return names
}

// leaseOfObjects is a gateway that sends one event for each object per call.
func leaseOfObjects(t *testing.T, calls int) *leaseGateway {
	g := newLeaseGateway(t, nil)
	for range calls {
		g.sockets = append(g.sockets, func(s *stream) {
			for _, o := range objects {
				s.raw(fmt.Sprintf(`{"type":"Normal","reason":"Seen","note":"","object":{"kind":%q,"namespace":"ns","name":%q}}`, o.kind, o.name))
			}
			s.close(websocket.StatusNormalClosure, "")
		})
	}
	return g
}

// A real cluster answered nothing when it was asked for one service's events.
func TestFieldEventsOfOneService(t *testing.T) {
	g := leaseOfObjects(t, 4)
	g.answerStatus(says(http.StatusOK, `{"services":{
		"web":{"name":"web","available":1,"total":1,"uris":["web.example.com"]},
		"web-api":{"name":"web-api","available":1,"total":1,"uris":["api.example.com"]},
		"web-data":{"name":"web-data","available":1,"total":1,"uris":null}}}`))
	for _, service := range []string{"web", "web-api", "web-data"} {
		var want []string
		for _, o := range objects {
			if o.service == service {
				want = append(want, o.kind+" "+o.name)
			}
		}
		assert.Equal(t, want, g.eventsOf(service), service)
	}
	assert.Empty(t, g.eventsOf("db"))
	for n := range 4 {
		assert.Equal(t, "follow=false", g.query(n), "the gateway is not asked for a service")
	}
}

// With a token for events only, the lease's services are unknown, so the form of the
// objects' names decides.
func TestFieldEventsOfOneServiceByNamesAlone(t *testing.T) {
	g := leaseOfObjects(t, 2)
	g.answerStatus(says(http.StatusUnauthorized, `{"message":"unauthorized access"}`))
	assert.Equal(t, []string{
		"Pod web-7f8b9c6d5-x2x9p", "ReplicaSet web-7f8b9c6d5", "Deployment web",
		"Service web", "Service web-np", "PersistentVolumeClaim web-data-web-0",
	}, g.eventsOf("web"))
	assert.Equal(t, []string{
		"Pod web-api-5c4d7f9b8-qk7lz", "ReplicaSet web-api-5c4d7f9b8", "Deployment web-api", "Service web-api-np",
	}, g.eventsOf("web-api"))
}
