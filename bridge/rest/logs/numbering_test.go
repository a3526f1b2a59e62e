package logs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// say adds a line of each of the pods to a merger.
func say(t *testing.T, j *reader, pods ...string) {
	for _, pod := range pods {
		require.NoError(t, j.feed.Add(fmt.Appendf(nil, `{"name":"%s","message":"%s speaks"}`+"\n", pod, pod)))
	}
}

// told returns the pods that have been named since it was last asked, by replica, in order.
func told(t *testing.T, j *reader) (names []string) {
	if j.batch.size() == 0 {
		return nil
	}
	message, err := j.Next(t.Context())
	require.NoError(t, err)
	var m leasev1.ServiceLogsResponse
	require.NoError(t, proto.Unmarshal(message, &m))
	for _, s := range m.GetServices() {
		if s.GetPod() != "" {
			names = append(names, fmt.Sprintf("%s/%d is %s", s.GetName(), s.GetReplica(), s.GetPod()))
		}
	}
	return names
}

// Each pod is named once, where its log begins, and once more where it began anew:
// that tells a page which log it has, whatever number that has.
func TestPodsAreNamedWhereTheirLogsBegin(t *testing.T) {
	j := newReader([]string{"web", "db"}, nil, true)
	running := map[string]int{"web": 2, "db": 1}
	reopen(j, running, -1)
	say(t, j, "web-1-b", "web-1-a", "db-0")
	assert.Equal(t, []string{"web/0 is web-1-a", "web/1 is web-1-b", "db/0 is db-0"}, told(t, j))
	say(t, j, "web-1-b", "web-1-a", "db-0")
	assert.Empty(t, told(t, j))

	// b goes and c comes, which takes its number; a goes on where it was, and db-0's
	// container was started anew.
	reopen(j, running, -1)
	say(t, j, "web-1-a", "web-2-c", "web-1-a", "web-1-a")
	require.NoError(t, j.feed.Add([]byte(`{"name":"db-0","message":"I begin"}`)))
	assert.Equal(t, []string{"web/1 is web-2-c", "db/0 is db-0"}, told(t, j))

	// b is back, in a's place: it goes on, and a page has to know with what.
	reopen(j, running, -1)
	say(t, j, "web-2-c", "web-2-c", "web-1-b", "web-1-b", "web-1-b")
	assert.Equal(t, []string{"web/0 is web-1-b"}, told(t, j))
}

// Replicas keep the numbers that they had in an earlier call, whichever bridge that
// was at, and whoever speaks first; what filters select stays the same.
func TestNumbersLastFromCallToCall(t *testing.T) {
	known := func(j *reader) *reader {
		j.known["web-1-a"], j.known["web-1-b"], j.known["web-1-c"] = 0, 1, 2
		return j
	}
	for name, test := range map[string]struct {
		running map[string]int
		filter  []uint32
		speak   []string
		want    []string
	}{
		"all are there":                 {map[string]int{"web": 3}, nil, []string{"web-1-c", "web-1-a"}, []string{"web/2 is web-1-c", "web/0 is web-1-a"}},
		"one took another's place":      {map[string]int{"web": 3}, nil, []string{"web-0-d", "web-1-c", "web-1-a"}, []string{"web/2 is web-1-c", "web/0 is web-1-a", "web/1 is web-0-d"}},
		"one came, and one says little": {map[string]int{"web": 4}, nil, []string{"web-0-d", "web-1-c", "web-1-a"}, []string{"web/2 is web-1-c", "web/0 is web-1-a", "web/3 is web-0-d"}},
		"nobody knows how many run":     {nil, nil, []string{"web-0-d", "web-1-c"}, []string{"web/2 is web-1-c", "web/3 is web-0-d"}},
		"one is selected":               {map[string]int{"web": 3}, []uint32{2}, []string{"web-1-a", "web-1-b", "web-1-c"}, []string{"web/2 is web-1-c"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := known(newReader([]string{"web"}, test.filter, true))
			reopen(j, test.running, -1)
			say(t, j, test.speak...)
			require.NoError(t, j.decide(true, true))
			assert.Equal(t, test.want, told(t, j))
		})
	}
}

// A pod whose log a busy provider is slow to open is waited for, so that replicas have
// the numbers that other calls give them; but not for long, since it may be silent.
func TestSlowPodsKeepTheirPlace(t *testing.T) {
	for name, test := range map[string]struct {
		speak []string
		want  []string
	}{
		"it speaks":       {[]string{"web-1-b"}, []string{"web/0 is web-1-a", "web/2 is web-1-c", "web/1 is web-1-b"}},
		"it says nothing": {nil, []string{"web/0 is web-1-a", "web/1 is web-1-c"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := newReader([]string{"web"}, nil, true)
			reopen(j, map[string]int{"web": 3}, -1)
			say(t, j, "web-1-a", "web-1-c")
			require.NoError(t, j.decide(false, false))
			assert.Empty(t, told(t, j))
			say(t, j, test.speak...)
			require.NoError(t, j.decide(false, true))
			assert.ElementsMatch(t, test.want, told(t, j))
		})
	}
}

// A page is told of a gap where a pod that came meanwhile had written more than was
// asked for: its log seems to begin anew.
func TestMoreThanWasAskedFor(t *testing.T) {
	j := newReader([]string{"web"}, nil, true)
	reopen(j, map[string]int{"web": 1}, -1)
	say(t, j, "web-1-a", "web-1-a", "web-1-a")
	told(t, j)
	reopen(j, map[string]int{"web": 2}, 3)
	say(t, j, "web-1-a", "web-1-a", "web-1-a", "web-1-b", "web-1-b")
	assert.Equal(t, []string{"web/1 is web-1-b"}, told(t, j))
	say(t, j, "web-1-b")
	assert.Equal(t, []string{"web/1 is web-1-b"}, told(t, j))
	say(t, j, "web-1-b")
	assert.Empty(t, told(t, j))
}

// What a line costs does not depend on how many pods there are: a provider that sends each
// line from another one takes no more of the bridge's time than others.
func TestALineOfANewPodCostsWhateverTheOthersAre(t *testing.T) {
	cost := func(running map[string]int) int {
		j := newReader([]string{"web"}, nil, true)
		reopen(j, running, -1)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range MaxPods {
			require.NoError(t, j.feed.Add(fmt.Appendf(nil, `{"name":"web-7f8b9c6d5-%05d","message":"x"}`, i)))
			if i%100 == 0 {
				j.batch.encode()
			}
		}
		runtime.ReadMemStats(&after)
		return int(after.TotalAlloc-before.TotalAlloc) / MaxPods
	}
	// A list of all pods for each of them would be several kilobytes.
	assert.Less(t, cost(map[string]int{"web": 1}), 6000, "bytes a pod")
	assert.Less(t, cost(map[string]int{"web": 2 * MaxPods}), 6000, "bytes a pod that is held back")
}

// What a service's group has is what its pods have, whatever happens to them.
func TestGroupsAgreeWithTheirPods(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		j := newReader([]string{"web", "db"}, nil, true)
		running := map[string]int{"web": 1 + random.IntN(6)}
		reopen(j, running, -1)
		for range 200 {
			switch random.IntN(12) {
			case 0:
				reopen(j, running, random.IntN(4)-1)
			case 1:
				j.mu.Lock()
				require.NoError(t, j.decide(random.IntN(2) == 0, random.IntN(2) == 0))
				j.mu.Unlock()
			case 2:
				j.mu.Lock()
				j.batch.encode()
				j.mu.Unlock()
			case 3:
				running = map[string]int{"web": random.IntN(6)}
				j.Update([]string{"web", "db"}, running)
			default:
				pod := fmt.Sprintf("web-%d-x", random.IntN(6))
				if random.IntN(4) == 0 {
					pod = fmt.Sprintf("db-%d", random.IntN(3)) // of a StatefulSet
				}
				say(t, j, pod)
			}
			j.mu.Lock()
			for name, g := range j.groups {
				present, numbers := 0, map[uint32]int{}
				for _, p := range j.pods {
					if p.service != name {
						continue
					}
					require.Contains(t, g.pods, p)
					if p.from != nil {
						present++
					}
					if p.numbered {
						numbers[p.replica]++
					} else {
						require.Contains(t, g.waiting, p)
					}
				}
				require.Equal(t, present, g.present)
				require.Equal(t, numbers, g.numbers)
			}
			j.mu.Unlock()
		}
		j.Finish(context.Canceled)
	}
}

// BenchmarkNewPods measures a log whose lines are each from another pod.
func BenchmarkNewPods(b *testing.B) {
	for b.Loop() {
		m := NewMerger([]string{"web"}, nil, true)
		feed := m.Open(Opening{Running: map[string]int{"web": 1}, Tail: -1})
		for i := range MaxPods {
			if err := feed.Add(fmt.Appendf(nil, `{"name":"web-7f8b9c6d5-%05d","message":"x"}`, i)); err != nil {
				b.Fatal(err)
			}
		}
		m.Finish(context.Canceled)
	}
}
