package fake_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/testserver/fake"
)

// socket opens a WebSocket of the lease as the tenant.
func socket(t *testing.T, s *fake.Server, path string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: insecure()}
	ws, response, err := dialer.DialContext(deadline(t), "wss://"+s.Ready().REST+path,
		http.Header{"Authorization": {"Bearer " + s.Ready().JWT}})
	require.NoError(t, err)
	response.Body.Close()
	t.Cleanup(func() { ws.Close() })
	require.NoError(t, ws.SetReadDeadline(time.Now().Add(long)))
	return ws
}

type line struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// lines reads a log to its end, and returns the lines by pod.
func lines(t *testing.T, ws *websocket.Conn, limit int) (got map[string][]string, end error) {
	t.Helper()
	got = map[string][]string{}
	for range limit {
		var one line
		if err := ws.ReadJSON(&one); err != nil {
			return got, err
		}
		got[one.Name] = append(got[one.Name], one.Message)
	}
	return got, nil
}

const allOf = 1 << 30

// A log over WebSocket is the same as over gRPC, with pods instead of replicas, and
// ends without a close frame.
func TestSocketLogs(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, LogLines: 5000})
	got, end := lines(t, socket(t, s, leasePath(s)+"/logs"), allOf)
	assert.True(t, websocket.IsCloseError(end, websocket.CloseAbnormalClosure), "%v", end)
	assert.Len(t, got, 5)

	var want []fake.Log
	control(t, s, http.MethodGet, "/logs", "", &want)
	digests := map[string]string{}
	for pod, all := range got {
		service, _, _ := strings.Cut(pod, "-")
		digests[digest([]byte(strings.Join(all, "\n")+"\n"))] = service
	}
	for _, one := range want {
		assert.Equal(t, one.Service, digests[one.SHA256])
	}
	assert.Contains(t, got, "db-0")
	assert.Contains(t, got, "db-1")
}

// A line has the form of a real gateway's.
func TestSocketLineShape(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, LogLines: 5})
	_, text, err := socket(t, s, leasePath(s)+"/logs").ReadMessage()
	require.NoError(t, err)
	fixture, err := os.ReadFile("testdata/ws.logs.jsonl")
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(fixture), "\n")
	var want, got any
	require.NoError(t, json.Unmarshal([]byte(first), &want))
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, outline(want), outline(got))
	assert.Equal(t, byte('\n'), text[len(text)-1])
}

// tail counts lines of each pod; service selects; services, which the official
// client sends, is ignored.
func TestSocketParameters(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, LogLines: 500})
	count := func(query string) (pods, total int) {
		got, _ := lines(t, socket(t, s, leasePath(s)+"/logs?"+query), allOf)
		for _, all := range got {
			total += len(all)
		}
		return len(got), total
	}
	for query, want := range map[string][2]int{
		"tail=3":                     {5, 15},
		"tail=0":                     {0, 0},
		"tail=-1&service=db":         {2, 200},
		"service=web,db&follow=0":    {5, 500},
		"services=db":                {5, 500},
		"tail=1000000&service=web":   {3, 300},
		"tail=2&service=db,nobody":   {2, 4},
		"tail=1&follow=false&x=junk": {5, 5},
	} {
		pods, total := count(query)
		assert.Equal(t, want, [2]int{pods, total}, query)
	}
}

// A follower gets what is written by the pods that existed when it connected. When
// it disconnects, the provider notices; when the pods end, the provider closes the socket.
func TestSocketFollow(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	ws := socket(t, s, leasePath(s)+"/logs?follow=true&service=db")
	control(t, s, http.MethodPost, "/write?service=db&replica=0", "eins <b>&\n", nil)
	got, _ := lines(t, ws, 1)
	assert.Equal(t, map[string][]string{"db-0": {"eins <b>&"}}, got)

	control(t, s, http.MethodPost, "/grow?service=db", "", nil)
	control(t, s, http.MethodPost, "/write?service=db&replica=2", "too late\n", nil)
	control(t, s, http.MethodPost, "/write?service=db&replica=1", "zwei\n", nil)
	got, _ = lines(t, ws, 1)
	assert.Equal(t, map[string][]string{"db-1": {"zwei"}}, got)
	again, _ := lines(t, socket(t, s, leasePath(s)+"/logs?service=db"), allOf)
	assert.Equal(t, []string{"too late"}, again["db-2"])

	second := socket(t, s, leasePath(s)+"/logs?follow=1")
	const route = "GET /lease/{dseq}/{gseq}/{oseq}/logs"
	var seen fake.Streams
	open := func(n int) func() bool {
		return func() bool {
			control(t, s, http.MethodGet, "/streams", "", &seen)
			return seen.Open[route] == n
		}
	}
	eventually(t, "both are open", open(2))
	second.Close()
	eventually(t, "one is gone", open(1))
	assert.Equal(t, 1, seen.Cancelled[route])

	control(t, s, http.MethodPost, "/end?service=db&replica=0", "", nil)
	control(t, s, http.MethodPost, "/end?service=db&replica=1", "", nil)
	_, end := lines(t, ws, allOf)
	assert.True(t, websocket.IsCloseError(end, websocket.CloseAbnormalClosure), "%v", end)
	eventually(t, "the other has ended", open(0))
	assert.Equal(t, 1, seen.Cancelled[route])
}

// Invalid UTF-8 arrives as the replacement character.
func TestSocketInvalidUTF8(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	control(t, s, http.MethodPost, "/write?service=db&replica=0", "a\xff\xfeb\r\n", nil)
	got, _ := lines(t, socket(t, s, leasePath(s)+"/logs"), allOf)
	assert.Equal(t, []string{"a\ufffd\ufffdb"}, got["db-0"])
}

// Each missing thing has its close code.
func TestSocketCloseCodes(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	closed := func(path string) string {
		_, end := lines(t, socket(t, s, path), allOf)
		var e *websocket.CloseError
		require.ErrorAs(t, end, &e)
		return fmt.Sprint(e.Code, e.Text)
	}
	assert.Equal(t, "4001", closed("/lease/1/1/1/logs"))
	assert.Equal(t, "4001", closed("/lease/1/1/1/kubeevents"))
	assert.Equal(t, "4000no running pods", closed(leasePath(s)+"/logs?service=nobody"))
	require.NoError(t, s.SetFault("no-pods", ""))
	assert.Equal(t, "4000no running pods", closed(leasePath(s)+"/logs"))
	require.NoError(t, s.SetFault("kube-down", ""))
	assert.Equal(t, "4002", closed(leasePath(s)+"/logs"))
}

// Requests that are refused before the upgrade.
func TestSocketRefusals(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	upgrade := func(path, authorization, origin string) (int, string) {
		header := http.Header{}
		if authorization != "" {
			header.Set("Authorization", authorization)
		}
		if origin != "" {
			header.Set("Origin", origin)
		}
		dialer := websocket.Dialer{TLSClientConfig: insecure()}
		ws, response, err := dialer.DialContext(deadline(t), "wss://"+s.Ready().REST+path, header)
		if err == nil {
			ws.Close()
			return response.StatusCode, ""
		}
		require.NotNil(t, response, "%v", err)
		body := make([]byte, 256)
		n, _ := response.Body.Read(body)
		return response.StatusCode, string(body[:n])
	}
	good := "Bearer " + s.Ready().JWT
	code, _ := upgrade(leasePath(s)+"/logs", good, "")
	assert.Equal(t, 101, code)
	code, _ = upgrade(leasePath(s)+"/logs", good, "https://"+s.Ready().REST)
	assert.Equal(t, 101, code)
	code, body := upgrade(leasePath(s)+"/logs", good, "https://console.example.com")
	assert.Equal(t, 403, code)
	assert.Equal(t, "Forbidden\n", body)
	code, body = upgrade(leasePath(s)+"/logs", "Bearer "+s.Ready().ExpiredJWT, "")
	assert.Equal(t, 400, code)
	assert.Equal(t, `{"message":"JWT has invalid claims"}`, body)
	code, _ = upgrade(leasePath(s)+"/logs", "", "")
	assert.Equal(t, 401, code)
	code, body = upgrade(leasePath(s)+"/logs?service=web,", good, "")
	assert.Equal(t, 400, code)
	assert.Equal(t, "parameter \"service\" must not contain trailing comma\n", body)
	code, body = upgrade(leasePath(s)+"/logs?tail=-2", good, "")
	assert.Equal(t, 400, code)
	assert.Equal(t, "parameter \"tail\" contains invalid value\n", body)
	code, _ = upgrade(leasePath(s)+"/logs?follow=maybe", good, "")
	assert.Equal(t, 400, code)
	response, body := asTenant(t, s, http.MethodGet, leasePath(s)+"/logs", "")
	assert.Equal(t, 400, response.StatusCode)
	assert.Equal(t, "Bad Request\n", body)
}

// Pings are empty, and require no answer.
func TestSocketPings(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, PingInterval: 5 * time.Millisecond})
	ws := socket(t, s, leasePath(s)+"/logs?follow=true")
	pings := 0
	ws.SetPingHandler(func(text string) error {
		assert.Empty(t, text)
		if pings++; pings == 3 {
			control(t, s, http.MethodPost, "/write?service=web&replica=0", "alive\n", nil)
		}
		return nil // no pong
	})
	got, end := lines(t, ws, 1)
	require.NoError(t, end)
	assert.Len(t, got, 1)
	assert.GreaterOrEqual(t, pings, 3)
}

// Events have the form of a real gateway's. A list ends normally, and a follower sees
// the events of a restart. With a service parameter, a gateway has none.
func TestSocketEvents(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	ws := socket(t, s, leasePath(s)+"/kubeevents")
	var got []map[string]any
	for {
		var one map[string]any
		err := ws.ReadJSON(&one)
		if err != nil {
			assert.True(t, websocket.IsCloseError(err, websocket.CloseNormalClosure), "%v", err)
			break
		}
		got = append(got, one)
	}
	require.Len(t, got, 20)
	fixture, err := os.ReadFile("testdata/ws.kubeevents.jsonl")
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(fixture), "\n")
	var want map[string]any
	require.NoError(t, json.Unmarshal([]byte(first), &want))
	assert.Equal(t, outline(want), outline(got[1]))
	assert.Len(t, got[0]["object"].(map[string]any)["namespace"], len(want["object"].(map[string]any)["namespace"].(string)))

	follow := socket(t, s, leasePath(s)+"/kubeevents?follow=true")
	for range 20 {
		require.NoError(t, follow.ReadJSON(&want))
	}
	control(t, s, http.MethodPost, "/event?service=web&reason=BackOff&note=again", "", nil)
	require.NoError(t, follow.ReadJSON(&want))
	assert.Equal(t, "Warning", want["type"])
	assert.Equal(t, "BackOff", want["reason"])

	_, _, err = socket(t, s, leasePath(s)+"/kubeevents?service=web").ReadMessage()
	assert.True(t, websocket.IsCloseError(err, websocket.CloseNormalClosure), "%v", err)
}
