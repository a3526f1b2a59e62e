package trace

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	someTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent    = "00-" + someTrace + "-00f067aa0ba902b7-01"
)

// The cases are those of W3C Trace Context, section 3.2.2.
func TestTheTraceIDOfATraceparent(t *testing.T) {
	for _, good := range []string{
		parent,
		strings.TrimSuffix(parent, "01") + "00",
		"cc" + parent[2:],                   // a later version
		"cc" + parent[2:] + "-what-follows", // which has more
	} {
		id, ok := traceID(good)
		assert.True(t, ok, good)
		assert.Equal(t, someTrace, id, good)
	}
	for _, bad := range []string{
		"", "00", someTrace,
		"ff" + parent[2:],
		parent + "-more",
		"cc" + parent[2:] + ".more",
		strings.ToUpper(parent),
		"0g" + parent[2:],
		strings.Replace(parent, "-01", "-0x", 1),
		strings.ReplaceAll(parent, "-", "_"),
		"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01",
		"00-" + someTrace + "-0000000000000000-01",
		"00-" + someTrace[:31] + "-00f067aa0ba902b7-01-",
		"00-" + someTrace[:31] + "é-00f067aa0ba902b7-01",
	} {
		_, ok := traceID(bad)
		assert.False(t, ok, bad)
	}
}

func FuzzTraceID(f *testing.F) {
	f.Add(parent)
	f.Add("cc" + parent[2:] + "-more")
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := traceID(text); ok {
			assert.Regexp(t, "^[0-9a-f]{32}$", id)
			assert.NotEqual(t, strings.Repeat("0", 32), id)
		}
	})
}

func TestEveryRequestHasAnID(t *testing.T) {
	r := httptest.NewRequest("POST", "/", nil)
	one, other := New(r, "192.0.2.1", "", nil), New(r, "", "https://app.example", nil)
	assert.Regexp(t, "^[0-9a-f]{32}$", one.ID)
	assert.NotEqual(t, one.ID, other.ID)
	assert.Equal(t, []slog.Attr{slog.String("requestId", one.ID), slog.String("client", "192.0.2.1")}, one.Attrs(nil))

	r.Header.Set("traceparent", parent)
	assert.Equal(t, someTrace, New(r, "", "", nil).ID)
	r.Header.Set("traceparent", "nonsense")
	assert.NotEqual(t, someTrace, New(r, "", "", nil).ID)
	r.Header["Traceparent"] = []string{parent, parent}
	assert.NotEqual(t, someTrace, New(r, "", "", nil).ID, "two are malformed")
}

// The headers of a call over a WebSocket follow its request.
func TestTheIDOfACallOverAWebSocketComesLater(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(With(r.Context(), New(r, "", "", nil)))
	r.Header.Set("traceparent", parent)
	Arrived(r)
	assert.Equal(t, someTrace, Of(r.Context()).ID)
	assert.Empty(t, Of(context.Background()).ID)
}

// What every call pays while traces are off.
func BenchmarkRequest(b *testing.B) {
	r := httptest.NewRequest("POST", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		t := New(r, "192.0.2.1", "https://app.example", nil)
		ctx := With(r.Context(), t)
		t.Begin(ctx, r.Header, "name").End()
		Begin(ctx, Client, "call provider").End()
	}
}
