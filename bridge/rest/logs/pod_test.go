package logs

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestServiceOf(t *testing.T) {
	known := []string{"web", "web-api", "db", "a"}
	for pod, want := range map[string]string{
		"web-7f8b9c6d5-x2x9p":     "web",
		"web-api-7f8b9c6d5-x2x9p": "web-api",
		"web-api":                 "web",
		"db-0":                    "db",
		"a-b":                     "a",
		"other-7f8b9c6d5-x2x9p":   "other",
		"my-other-7f8b9c6-x2x9p":  "my-other",
		"my-other-3":              "my-other",
		"webx-1":                  "webx",
		"alone":                   "alone",
		"two-parts":               "two",
	} {
		assert.Equal(t, want, serviceOf(pod, known), pod)
	}
}
