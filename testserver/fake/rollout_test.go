package fake_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/testserver/fake"
)

// 65,535 bytes is the longest line that a gateway passes on; a longer one ends its
// pod's log, also for a reader whose tail reaches back over it.
func TestSocketLongestLine(t *testing.T) {
	s := start(t, fake.Options{Services: []fake.Service{{Name: "web", Replicas: 1}}})
	longest := strings.Repeat("x", 65_535)
	control(t, s, http.MethodPost, "/write?service=web&replica=0", longest+"\none\n"+longest+"x\ntwo\nthree\n", nil)
	for tail, want := range map[string][]string{
		"-1": {longest, "one"}, "4": {"one"}, "3": nil, "2": {"two", "three"},
	} {
		got, _ := lines(t, socket(t, s, leasePath(s)+"/logs?tail="+tail), 100)
		var all []string
		for _, pod := range got {
			all = append(all, pod...)
		}
		assert.Equal(t, want, all, "tail %s", tail)
	}
}

// A pod whose container is being created fails the log of every pod; a service
// whose pods all run can be read.
func TestSocketOfAStartingPod(t *testing.T) {
	s := start(t, fake.Options{LogLines: 10})
	var pod fake.Pod
	control(t, s, http.MethodPost, "/grow?service=web&starting=true", "", &pod)
	assert.Equal(t, 3, pod.Replica)
	_, _, err := socket(t, s, leasePath(s)+"/logs").ReadMessage()
	var closed *websocket.CloseError
	require.ErrorAs(t, err, &closed)
	assert.Equal(t, websocket.CloseError{Code: 4000}, *closed)
	got, _ := lines(t, socket(t, s, leasePath(s)+"/logs?service=db"), 100)
	assert.Len(t, got, 2)

	control(t, s, http.MethodPost, "/write?service=web&replica=3", "here I am\n", nil)
	control(t, s, http.MethodPost, "/started?service=web&replica=3", "", nil)
	got, _ = lines(t, socket(t, s, leasePath(s)+"/logs"), 100)
	assert.Equal(t, []string{"here I am"}, got[pod.Pod])
}

// A pod that is replaced writes its last lines, and its log is removed with it. The
// status in the meantime is that of a Deployment.
func TestReplacedPod(t *testing.T) {
	type counts struct {
		Available, Total, Generation, Updated int
	}
	status := func(s *fake.Server) counts {
		var answer struct {
			Services map[string]struct {
				Available  int `json:"available"`
				Total      int `json:"total"`
				Generation int `json:"observed_generation"`
				Updated    int `json:"updated_replicas"`
			} `json:"services"`
		}
		_, text := asTenant(t, s, http.MethodGet, leasePath(s)+"/status", "")
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		web := answer.Services["web"]
		return counts{web.Available, web.Total, web.Generation, web.Updated}
	}
	for name, c := range map[string]struct {
		query         string
		during, after counts
	}{
		"deleted":                {"starting=true", counts{1, 2, 1, 2}, counts{2, 2, 1, 2}},
		"updated":                {"update=true&starting=true", counts{2, 3, 2, 1}, counts{2, 2, 2, 1}},
		"updated, one pod fewer": {"update=true&dip=1h", counts{1, 2, 2, 1}, counts{2, 2, 2, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, fake.Options{LogLines: 4, Services: []fake.Service{{Name: "web", Replicas: 2}}})
			ws := socket(t, s, leasePath(s)+"/logs?follow=true")
			_, end := lines(t, ws, 4)
			require.NoError(t, end)
			var pod fake.Pod
			control(t, s, http.MethodPost, "/replace?service=web&replica=0&"+c.query, "bye\n", &pod)
			assert.Equal(t, c.during, status(s))
			control(t, s, http.MethodPost, "/started?service=web&replica=0", "", nil)
			assert.Equal(t, c.after, status(s))

			control(t, s, http.MethodPost, "/write?service=web&replica=0", "hello\n", nil)
			control(t, s, http.MethodPost, "/write?service=web&replica=1", "still here\n", nil)
			got, _ := lines(t, ws, 2)
			assert.NotContains(t, got, pod.Pod, "the socket is older than the pod")
			var last []string
			for _, pod := range got {
				last = append(last, pod[len(pod)-1])
			}
			assert.ElementsMatch(t, []string{"bye", "still here"}, last)
			now, _ := lines(t, socket(t, s, leasePath(s)+"/logs"), 100)
			assert.Len(t, now, 2)
			assert.Equal(t, []string{"hello"}, now[pod.Pod])
		})
	}
}
