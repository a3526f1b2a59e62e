package timedbody_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/internal/timedbody"
)

// deadlines is an http.ResponseWriter that keeps the deadlines that are set.
type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestNoDeadlineIsSetForABodyThatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseWriter: httptest.NewRecorder()}
		body := timedbody.NewLive(w, httptest.NewRequest("POST", "/", bytes.NewReader([]byte("hello"))), 30*time.Second)
		got, err := io.ReadAll(body)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		body.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, w.set)
	})
}

func TestASlowBodyHasADeadline(t *testing.T) {
	for _, limit := range []time.Duration{30 * time.Second, 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w := &deadlines{ResponseWriter: httptest.NewRecorder()}
			slow, client := io.Pipe()
			body := timedbody.NewLive(w, httptest.NewRequest("POST", "/", slow), limit)
			start := time.Now()
			go func() {
				time.Sleep(limit + time.Millisecond)
				client.CloseWithError(os.ErrDeadlineExceeded) // as net/http does after the deadline
			}()
			_, err := body.Read(make([]byte, 1))
			require.True(t, errors.Is(err, os.ErrDeadlineExceeded))
			body.Close()
			synctest.Wait()
			require.Equal(t, []time.Time{start.Add(limit), {}}, w.set)
		})
	}
}

// A handler's http.ResponseWriter must not be used when it has returned.
func TestNoDeadlineIsSetAfterClose(t *testing.T) {
	for _, read := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := &deadlines{ResponseWriter: httptest.NewRecorder()}
			slow, client := io.Pipe()
			body := timedbody.NewLive(w, httptest.NewRequest("POST", "/", slow), 30*time.Second)
			if read {
				go client.Write([]byte("x"))
				_, err := body.Read(make([]byte, 1))
				require.NoError(t, err)
			}
			body.Close()
			_, _ = body.Read(make([]byte, 1))
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Empty(t, w.set)
		})
	}
}
