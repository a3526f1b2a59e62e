package fake_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"akash-provider-web/testserver/fake"
)

// A test can set the response of any REST route.
func TestAnswers(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	control(t, s, http.MethodPost, "/answer?path=/status&status=503", `"a proxy's words"`, nil)
	code, body := get(t, s, "/status", "")
	assert.Equal(t, 503, code)
	assert.Equal(t, `"a proxy's words"`, body)
	code, _ = get(t, s, "/version", "")
	assert.Equal(t, 200, code)

	control(t, s, http.MethodPost, "/answer?path=/status", `{"address":"a"}`, nil)
	code, body = get(t, s, "/status", "")
	assert.Equal(t, 200, code)
	assert.Equal(t, `{"address":"a"}`, body)

	control(t, s, http.MethodDelete, "/answer?path=/status", "", nil)
	_, body = get(t, s, "/status", "")
	assert.Contains(t, body, s.Ready().Provider)
}
