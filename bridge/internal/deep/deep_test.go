package deep_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/internal/deep"
)

func TestWhatIsLeftRunsInTheCallersGoroutine(t *testing.T) {
	var order []string
	deep.Serve(t.Context(), func(ctx context.Context) {
		require.True(t, deep.Leave(ctx, func() { order = append(order, "rest") }))
		defer func() { order = append(order, "returned") }()
	})
	require.Equal(t, []string{"returned", "rest"}, order)
}

func TestNothingIsLeftWithoutServe(t *testing.T) {
	require.False(t, deep.Leave(t.Context(), func() { t.Error("it was called") }))
}

func TestAPanicGoesOnInTheCaller(t *testing.T) {
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		deep.Run(func() { panic(http.ErrAbortHandler) })
	})
	defer func() {
		text, _ := recover().(string)
		require.Contains(t, text, "broken", "the value")
		require.Contains(t, text, "brokenAtThisPlace", "the stack of the goroutine that panicked")
	}()
	deep.Run(brokenAtThisPlace)
}

func brokenAtThisPlace() { panic("broken") }

func TestTheRestIsNotDoneAfterAPanic(t *testing.T) {
	require.Panics(t, func() {
		deep.Serve(t.Context(), func(ctx context.Context) {
			deep.Leave(ctx, func() { t.Error("it was called") })
			panic("broken")
		})
	})
}
