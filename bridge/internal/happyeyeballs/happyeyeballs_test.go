package happyeyeballs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"akash-provider-web/bridge/internal/happyeyeballs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const never = time.Hour

func TestASuccessfulFirstCandidateIsTheOnlyOneTried(t *testing.T) {
	tried := make(chan string, 2)
	got, errs := happyeyeballs.First(t.Context(), never, []string{"likely", "other"}, func(_ context.Context, c string) (string, error) {
		tried <- c
		return c, nil
	}, nil)
	require.Empty(t, errs)
	assert.Equal(t, "likely", got)
	assert.Len(t, tried, 1)
}

func TestAFailureStartsTheNextCandidateAtOnce(t *testing.T) {
	got, errs := happyeyeballs.First(t.Context(), never, []string{"closed", "open"}, func(_ context.Context, c string) (string, error) {
		if c == "closed" {
			return "", errors.New("refused")
		}
		return c, nil
	}, nil)
	require.Empty(t, errs)
	assert.Equal(t, "open", got)
}

func TestALateResultIsDiscarded(t *testing.T) {
	discarded := make(chan string, 1)
	got, errs := happyeyeballs.First(t.Context(), time.Millisecond, []string{"hangs", "answers"}, func(ctx context.Context, c string) (string, error) {
		if c == "hangs" {
			<-ctx.Done() // canceled by the other's success, but succeeds all the same
		}
		return c, nil
	}, func(r string) { discarded <- r })
	require.Empty(t, errs)
	assert.Equal(t, "answers", got)
	assert.Equal(t, "hangs", <-discarded)
}

func TestErrorsAreReturnedInOrder(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	_, errs := happyeyeballs.First(t.Context(), never, []error{first, second}, func(_ context.Context, c error) (int, error) {
		return 0, c
	}, nil)
	assert.Equal(t, []error{first, second}, errs)
}

func TestTheContextEndsAllAttempts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, errs := happyeyeballs.First(ctx, never, []int{1, 2}, func(ctx context.Context, _ int) (int, error) {
		cancel()
		<-ctx.Done()
		return 0, ctx.Err()
	}, nil)
	require.NotEmpty(t, errs)
	assert.ErrorIs(t, errs[0], context.Canceled)

	_, errs = happyeyeballs.First(ctx, never, []int{1}, func(context.Context, int) (int, error) {
		t.Error("tried although the context was canceled")
		return 0, nil
	}, nil)
	assert.NotEmpty(t, errs)
}

func TestNoCandidatesIsAnError(t *testing.T) {
	_, errs := happyeyeballs.First(t.Context(), never, nil, func(context.Context, int) (int, error) { return 0, nil }, nil)
	assert.Len(t, errs, 1)
}
