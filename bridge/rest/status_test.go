package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/internal/jsonlimit"
	"akash-provider-web/bridge/rpcerror"
	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// What /status says of the latest signed snapshot is left out, without a note.
func TestStatusWithAVerificationInventory(t *testing.T) {
	plain, err := decodeStatus(fixture(t, "rest.status.json"), testProvider)
	require.NoError(t, err)
	described := append([]byte(`{"verification_inventory": {"provider": "akash1", "hash": "aGFzaA==", "signature": "c2ln", "schema_version": 1,
		"created_at": "2026-11-29T12:00:00Z", "validation": {"status": "unvalidated"}},`), bytes.TrimPrefix(bytes.TrimSpace(fixture(t, "rest.status.json")), []byte("{"))...)
	status, err := decodeStatus(described, testProvider)
	require.NoError(t, err)
	assert.Empty(t, status.GetErrors())
	assert.True(t, sameStatus(plain, status))
}

// A provider of today answers over REST what it would have answered over gRPC.
func TestStatusOfARealProvider(t *testing.T) {
	status, err := decodeStatus(fixture(t, "rest.status.json"), testProvider)
	require.NoError(t, err)
	requireStatus(t, `{
		"cluster": {
			"leases": {"active": 2},
			"inventory": {
				"cluster": {
					"nodes": [
						{"name": "node1", "resources": {
							"cpu": {"quantity": {"allocatable": {"string": "63900m"}, "allocated": {"string": "21800m"}}},
							"memory": {"quantity": {"allocatable": {"string": "540000000000"}, "allocated": {"string": "150000000000"}}},
							"gpu": {"quantity": {"allocatable": {"string": "8"}, "allocated": {"string": "1"}}},
							"ephemeralStorage": {"allocatable": {"string": "1800000000000"}, "allocated": {"string": "200000000000"}}}},
						{"name": "node2", "resources": {
							"cpu": {"quantity": {"allocatable": {"string": "31900m"}, "allocated": {"string": "16900m"}}},
							"memory": {"quantity": {"allocatable": {"string": "135000000000"}, "allocated": {"string": "68000000000"}}},
							"gpu": {"quantity": {"allocatable": {"string": "0"}, "allocated": {"string": "0"}}},
							"ephemeralStorage": {"allocatable": {"string": "900000000000"}, "allocated": {"string": "10000000000"}}}}
					],
					"storage": [{"quantity": {"allocatable": {"string": "4398046511104"}}, "info": {"class": "beta2"}}]
				},
				"reservations": {
					"pending": {"resources": {
						"cpu": {"string": "0"}, "memory": {"string": "0"}, "gpu": {"string": "0"}, "ephemeralStorage": {"string": "0"}}},
					"active": {"count": 2, "resources": {
						"cpu": {"string": "9500m"}, "memory": {"string": "35970351104"}, "gpu": {"string": "1"},
						"ephemeralStorage": {"string": "110595407872"}, "storage": {"beta2": {"string": "10737418240"}}}}
				}
			}
		},
		"bidEngine": {"orders": 1},
		"manifest": {},
		"publicHostnames": ["provider.localhost"]
	}`, status)
}

// A status has the same form for every version of a provider.
func TestStatusOfEveryAge(t *testing.T) {
	const nothingReserved = `{"resources": {"cpu": {"string": "0"}, "memory": {"string": "0"}, "gpu": {"string": "0"}, "ephemeralStorage": {"string": "0"}}}`
	inventory := func(cluster, active, pending string, errors ...string) string {
		told, _ := json.Marshal(errors)
		return `{"errors": ` + string(told) + `, "cluster": {"leases": {}, "inventory": {"cluster": ` + cluster + `, "reservations": {"active": ` + active + `, "pending": ` + pending + `}}}}`
	}
	free := func(cpu, gpu, memory, disk string) string {
		return `{"resources": {
			"cpu": {"quantity": {"allocatable": {"string": "` + cpu + `"}}},
			"memory": {"quantity": {"allocatable": {"string": "` + memory + `"}}},
			"gpu": {"quantity": {"allocatable": {"string": "` + gpu + `"}}},
			"ephemeralStorage": {"allocatable": {"string": "` + disk + `"}}}}`
	}
	for _, tt := range []struct{ name, body, want string }{
		{
			"v0.4.x: flat nodes say what is free",
			`{"cluster":{"leases":0,"inventory":{"available":{"nodes":[{"cpu":2500,"gpu":1,"memory":1073741824,"storage_ephemeral":5}]}}},"address":"a"}`,
			inventory(`{"nodes": [`+free("2500m", "1", "1073741824", "5")+`]}`, nothingReserved, nothingReserved),
		}, {
			"no GPUs yet, storage for storage_ephemeral, a list for available",
			`{"cluster":{"leases":0,"inventory":{"available":[{"cpu":4000,"memory":7,"storage":9}],"active":[{"cpu":100,"memory":1,"storage":2},{"cpu":150,"memory":1,"storage":3}]}}}`,
			inventory(`{"nodes": [`+free("4", "0", "7", "9")+`]}`,
				`{"count": 2, "resources": {"cpu": {"string": "250m"}, "memory": {"string": "2"}, "gpu": {"string": "0"}, "ephemeralStorage": {"string": "5"}}}`, nothingReserved),
		}, {
			"nested values",
			`{"cluster":{"leases":0,"inventory":{"available":[{"cpu":{"units":{"val":"100"}},"gpu":{"units":{"val":"2"}},"memory":{"size":{"val":"1024"}},"storage":{"size":{"val":"2048"}}}],
				"pending":[{"cpu":{"units":{"val":"100"}},"memory":{"size":{"val":"1"}},"storage":{"size":{"val":"2"}}}]}}}`,
			inventory(`{"nodes": [`+free("100m", "2", "1024", "2048")+`]}`, nothingReserved,
				`{"count": 1, "resources": {"cpu": {"string": "100m"}, "memory": {"string": "1"}, "gpu": {"string": "0"}, "ephemeralStorage": {"string": "2"}}}`),
		}, {
			"just started",
			`{"cluster":null,"bidengine":null,"manifest":null,"address":"a"}`,
			`{}`,
		}, {
			"inventory not known yet",
			`{"cluster":{"leases":3},"bidengine":{"orders":2},"manifest":{"deployments":1},"address":"a"}`,
			`{"cluster": {"leases": {"active": 3}}, "bidEngine": {"orders": 2}, "manifest": {"deployments": 1}}`,
		}, {
			"numbers beyond 2^53 and 2^64 stay exact, and their sum too",
			`{"cluster":{"leases":0,"inventory":{"available":{"storage":[{"class":"beta3","size":9007199254740993}]},
				"active":[{"cpu":1,"memory":18446744073709551615},{"cpu":1,"memory":18446744073709551615}]}}}`,
			inventory(`{"storage": [{"quantity": {"allocatable": {"string": "9007199254740993"}}, "info": {"class": "beta3"}}]}`,
				`{"count": 2, "resources": {"cpu": {"string": "2m"}, "memory": {"string": "36893488147419103230"}, "gpu": {"string": "0"}, "ephemeralStorage": {"string": "0"}}}`, nothingReserved),
		}, {
			"overcommitted, and more free than there is",
			`{"cluster":{"leases":0,"inventory":{"available":{"nodes":[{"name":"n","allocatable":{"cpu":1000,"memory":10},"available":{"cpu":-500,"memory":12}}]}}}}`,
			inventory(`{"nodes": [{"name": "n", "resources": {
				"cpu": {"quantity": {"allocatable": {"string": "1"}, "allocated": {"string": "1"}}},
				"memory": {"quantity": {"allocatable": {"string": "10"}, "allocated": {"string": "0"}}},
				"gpu": {"quantity": {"allocatable": {"string": "0"}, "allocated": {"string": "0"}}},
				"ephemeralStorage": {"allocatable": {"string": "0"}, "allocated": {"string": "0"}}}}]}`, nothingReserved, nothingReserved,
				"bridge: node n: available cpu cannot be -500 in the provider's status; taken as 0",
				"bridge: node n: available memory cannot be 12 in the provider's status; taken as 10"),
		}, {
			"a storage class that is called size",
			`{"cluster":{"leases":0,"inventory":{"active":[{"cpu":1,"memory":1,"storage_ephemeral":1,"storage":{"size":4}}]}}}`,
			inventory(`{}`, `{"count": 1, "resources": {"cpu": {"string": "1m"}, "memory": {"string": "1"}, "gpu": {"string": "0"}, "ephemeralStorage": {"string": "1"}, "storage": {"size": {"string": "4"}}}}`, nothingReserved),
		}, {
			"reclamation window in nanoseconds",
			`{"reclamation_window":86400000000000,"address":"a"}`,
			`{"reclamationWindow": "86400s"}`,
		}, {
			"odd fields cost themselves and no others",
			`{"cluster":{"leases":"many","inventory":{"active":7,"available":{"nodes":[{"cpu":"lots"}]}}},"bidengine":5,"manifest":{"deployments":1},"address":"a"}`,
			`{"errors": [
				"bridge: bidengine in the provider's status makes no sense",
				"bridge: cluster.leases in the provider's status makes no sense",
				"bridge: cluster.inventory.active in the provider's status makes no sense",
				"bridge: cluster.inventory.available in the provider's status makes no sense"],
			  "cluster": {"leases": {}, "inventory": {"cluster": {"nodes": [` + free("0", "0", "0", "0") + `]}, "reservations": {"active": ` + nothingReserved + `, "pending": ` + nothingReserved + `}}},
			  "manifest": {"deployments": 1}, "bidEngine": {}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, err := decodeStatus([]byte(tt.body), "")
			require.NoError(t, err)
			requireStatus(t, tt.want, status)
		})
	}
}

// A status with another provider's address has a note.
func TestStatusOfAnotherProvider(t *testing.T) {
	status, err := decodeStatus(fixture(t, "rest.status.json"), testOwner)
	require.NoError(t, err)
	assert.Equal(t, []string{"bridge: the host says that it is " + testProvider}, status.GetErrors())
}

func TestStatusThatIsNone(t *testing.T) {
	for _, body := range []string{"", "null", "[]", "7", "{}", "<html>", `{"cluster":`, `{"message":"no"}`} {
		_, err := decodeStatus([]byte(body), "")
		var e *rpcerror.Error
		require.ErrorAs(t, err, &e, body)
		assert.Equal(t, codes.Internal, e.Code, body)
		assert.Equal(t, rpcerror.ReasonProviderProtocol, e.Reason, body)
	}
}

func TestParseInteger(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "100": "100", "-5": "-5", "1.5": "2", "-1.5": "-1", "1e3": "1000", "1.5E+3": "1500", "2e-1": "1",
		"18446744073709551616": "18446744073709551616",
		"":                     "", "x": "", "0x10": "", "1e999": "", "1p9": "", "1/2": "", "1_0": "", "1e999999999999": "", "Inf": "", "NaN": "", "e": "", ".": "",
		strings.Repeat("9", maxDigits+1): "",
	} {
		got := ""
		if n := parseInteger(text); n != nil {
			got = n.String()
		}
		assert.Equal(t, want, got, text)
	}
}

// No input makes the decoder panic or return a quantity that cannot be parsed.
func FuzzDecodeStatus(f *testing.F) {
	f.Add(fixture(f, "rest.status.json"))
	f.Add([]byte(`{"cluster":{"leases":{"units":{"val":"1"}},"inventory":{"available":[{"cpu":{"units":{"val":"100"}},"storage":{"size":{"val":"2"}}}],"pending":[{"storage":{"beta2":1e3}}]}}}`))
	f.Add([]byte(`{"address":"a","reclamation_window":-1}`))
	quantity := regexp.MustCompile(`^[0-9]+m?$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		status, err := decodeStatus(body, testProvider)
		if err != nil {
			return
		}
		_, err = proto.Marshal(status)
		require.NoError(t, err)
		check := func(p *inventoryv1.ResourcePair) {
			require.Regexp(t, quantity, p.GetAllocatable().GetString_())
			if p.GetAllocated() != nil {
				require.Regexp(t, quantity, p.GetAllocated().GetString_())
			}
		}
		for _, n := range status.GetCluster().GetInventory().GetCluster().GetNodes() {
			check(n.GetResources().GetCpu().GetQuantity())
			check(n.GetResources().GetMemory().GetQuantity())
			check(n.GetResources().GetGpu().GetQuantity())
			check(n.GetResources().GetEphemeralStorage())
		}
	})
}

// A page asks an old provider for its status, and no credential goes with it.
func TestGetStatus(t *testing.T) {
	e := gatewayOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/status", r.URL.Path)
		assert.Empty(t, r.Header.Get("Authorization"))
		_, _ = w.Write(fixture(t, "rest.status.json"))
	}))
	call := callOf(t, e, providerv1.ProviderRPC_GetStatus_FullMethodName, &emptypb.Empty{})
	call.Authorization = "Bearer a.b.c"

	before := time.Now()
	var got received[providerv1.Status, *providerv1.Status]
	require.NoError(t, testAdapter().Serve(testContext(t), call, got.take))
	require.Len(t, got.messages, 1)
	assert.EqualValues(t, 2, got.messages[0].GetCluster().GetLeases().GetActive())
	assert.WithinRange(t, got.messages[0].GetTimestamp().AsTime(), before, time.Now())
}

// A stream of a status sends it at once and then only what is new.
func TestStreamStatusSendsChanges(t *testing.T) {
	idle, busy := says(200, `{"bidengine":{"orders":0},"address":"a"}`), says(200, `{"bidengine":{"orders":1},"address":"a"}`)
	outage := says(500, "etcd is away")
	e := gatewayOf(t, answers(idle, idle, outage, outage, idle, busy, busy, idle))

	done := errors.New("seen enough")
	var got received[providerv1.Status, *providerv1.Status]
	got.after = func(*providerv1.Status) error {
		if len(got.messages) == 3 {
			return done
		}
		return nil
	}
	err := testAdapter().Serve(testContext(t), callOf(t, e, providerv1.ProviderRPC_StreamStatus_FullMethodName, &emptypb.Empty{}), got.take)
	require.Equal(t, done, err)
	var orders []uint32
	for _, m := range got.messages {
		orders = append(orders, m.GetBidEngine().GetOrders())
	}
	assert.Equal(t, []uint32{0, 1, 0}, orders)
}

// A hundred pages that follow a provider's status cost it hardly more than one.
func TestStreamStatusIsShared(t *testing.T) {
	const pages = 100
	source := answers(says(200, `{"bidengine":{"orders":1},"address":"a"}`))
	e := gatewayOf(t, source)
	adapter := New(Options{StatusInterval: time.Hour})
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	seen := make(chan error)
	var open sync.WaitGroup
	for range pages {
		open.Go(func() {
			_ = adapter.Serve(ctx, callOf(t, e, providerv1.ProviderRPC_StreamStatus_FullMethodName, &emptypb.Empty{}), func(message []byte) error {
				seen <- proto.Unmarshal(message, new(providerv1.Status))
				return nil
			})
		})
	}
	for range pages {
		require.NoError(t, <-seen)
	}
	assert.Equal(t, 1, source.asked)
	cancel()
	open.Wait()
	assert.Empty(t, adapter.statuses.topics, "nothing is kept for nobody")
}

// A provider that stays unreachable ends the stream. If the first request fails, the call
// ends with that error.
func TestStreamStatusEndsWithTheProvider(t *testing.T) {
	up, down := says(200, `{"address":"a"}`), says(503, "kube unreachable")
	call := func(a *script) (*rpcerror.Error, int) {
		var got received[providerv1.Status, *providerv1.Status]
		err := testAdapter().Serve(testContext(t), callOf(t, gatewayOf(t, a), providerv1.ProviderRPC_StreamStatus_FullMethodName, &emptypb.Empty{}), got.take)
		return requireFault(t, err), len(got.messages)
	}
	err, messages := call(answers(up, down))
	assert.Equal(t, codes.Unavailable, err.Code)
	assert.Equal(t, 1, messages)

	err, messages = call(answers(down))
	assert.Equal(t, codes.Unavailable, err.Code)
	assert.Equal(t, rpcerror.ReasonClusterUnavailable, err.Reason)
	assert.Contains(t, err.Error(), "kube unreachable")
	assert.Zero(t, messages)
}

// An endless answer is not read beyond the limit.
func TestStatusIsBounded(t *testing.T) {
	e := gatewayOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		junk := []byte(strings.Repeat(" ", 1<<16))
		for r.Context().Err() == nil {
			if _, err := w.Write(junk); err != nil {
				return
			}
		}
	}))
	err := testAdapter().Serve(testContext(t), callOf(t, e, providerv1.ProviderRPC_GetStatus_FullMethodName, &emptypb.Empty{}), func([]byte) error { return nil })
	assert.Equal(t, codes.Internal, requireFault(t, err).Code)
}

// requireStatus compares a status with one in the JSON of protobuf.
func requireStatus(t *testing.T, want string, got *providerv1.Status) {
	t.Helper()
	var w providerv1.Status
	require.NoError(t, protojson.Unmarshal([]byte(want), &w))
	require.True(t, proto.Equal(&w, got), "want %s\n got %s", protojson.Format(&w), protojson.Format(got))
}

func TestElements(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`: nil, `[ ]`: nil, "[\n1 , 2\t]": {"1", "2"}, `[{"a":[1,2]},[3],"]",null]`: {`{"a":[1,2]}`, `[3]`, `"]"`, `null`},
		`["\"],[\\",{"\\":"}"}]`: {`"\"],[\\"`, `{"\\":"}"}`},
	} {
		require.True(t, json.Valid([]byte(text)), text)
		var got []string
		assert.True(t, elements([]byte(text), 4, func(element []byte) { got = append(got, string(element)) }), text)
		assert.Equal(t, want, got, text)
	}
	seen := 0
	assert.False(t, elements([]byte(`[1,2,3]`), 2, func([]byte) { seen++ }))
	assert.Equal(t, 2, seen)
	for _, other := range []string{`{}`, `null`, `"[1]"`, `7`, ``} {
		assert.False(t, elements([]byte(other), 2, func([]byte) { t.Error(other) }), other)
	}
}

// BenchmarkHostileStatus measures statuses that are as long and as full as they may be.
func BenchmarkHostileStatus(b *testing.B) {
	fill := func(head, element, tail string) []byte {
		n := min((statusLimits.Bytes-len(head)-len(element)-len(tail))/(len(element)+1), (statusLimits.Values-1)/(strings.Count(element, ",")+1)-1)
		return []byte(head + strings.Repeat(element+",", n) + element + tail)
	}
	for name, body := range map[string][]byte{
		"reservations": fill(`{"cluster":{"inventory":{"active":[`, `{"cpu":1,"gpu":1}`, `]}}}`),
		"classes":      fill(`{"cluster":{"inventory":{"active":[`, `{"storage":{"a":1,"b":2,"c":3,"d":4}}`, `]}}}`),
		"nodes":        fill(`{"cluster":{"inventory":{"available":{"nodes":[`, `{"allocatable":{"cpu":1,"gpu":1},"available":{"cpu":2,"gpu":2}}`, `]}}}}`),
		"empty nodes":  fill(`{"cluster":{"inventory":{"available":{"nodes":[`, `{}`, `]}}}}`),
		"strings":      fill(`{"cluster":{"inventory":{"unknown":[`, `"`+strings.Repeat(`\u0041`, 100)+`"`, `]}}}`),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				read := jsonlimit.Use(bytes.NewReader(body), statusLimits, func(text []byte) error {
					_, err := decodeStatus(text, "")
					return err
				})
				if read != nil {
					b.Fatal(read)
				}
			}
		})
	}
}

// A large status, which takes long to decode, is decoded once for all who ask at the same
// time, and again soon after.
func TestALargeStatusIsSharedForAMoment(t *testing.T) {
	large := `{"cluster":{"leases":1},"padding":[` + strings.Repeat(`"`+strings.Repeat("x", 1000)+`",`, largeStatus/1000) + `""]}`
	var asked atomic.Int32
	e := gatewayOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		says(http.StatusOK, large)(w, r)
	}))
	a := testAdapter()
	ask := func() *providerv1.Status {
		var got received[providerv1.Status, *providerv1.Status]
		require.NoError(t, a.Serve(testContext(t), callOf(t, e, providerv1.ProviderRPC_GetStatus_FullMethodName, &emptypb.Empty{}), got.take))
		require.Len(t, got.messages, 1)
		return got.messages[0]
	}
	first := ask()
	assert.EqualValues(t, 1, first.GetCluster().GetLeases().GetActive())
	key := topicKey{transport: e.Transport, path: e.HostURI + "/status"}
	began := time.Now()
	for {
		if again := ask(); !proto.Equal(first, again) {
			assert.True(t, again.GetTimestamp().AsTime().After(first.GetTimestamp().AsTime()))
			break
		}
		require.Less(t, time.Since(began), time.Minute, "the status is kept for good")
	}
	assert.GreaterOrEqual(t, asked.Load(), int32(2))

	// What is kept is used, and dropped in time.
	a.large.keep(key, &providerv1.Status{Cluster: &providerv1.ClusterStatus{Leases: &providerv1.Leases{Active: 7}}}, time.Hour)
	before := asked.Load()
	assert.EqualValues(t, 7, ask().GetCluster().GetLeases().GetActive())
	assert.Equal(t, before, asked.Load())
	a.large.mu.Lock()
	defer a.large.mu.Unlock()
	assert.LessOrEqual(t, time.Until(a.large.of[key].until), maxKeep)
}

// Large statuses of many providers are not all kept.
func TestFewStatusesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k keptStatuses
		for i := range 2 * maxKept {
			k.keep(topicKey{path: strconv.Itoa(i)}, &providerv1.Status{}, time.Second)
		}
		count := func() int {
			k.mu.Lock()
			defer k.mu.Unlock()
			return len(k.of)
		}
		assert.Equal(t, maxKept, count())
		time.Sleep(maxKeep)
		synctest.Wait()
		assert.Zero(t, count())
		k.keep(topicKey{}, &providerv1.Status{}, time.Millisecond)
		assert.NotNil(t, k.get(topicKey{}))
		time.Sleep(keepFactor * time.Millisecond)
		assert.Nil(t, k.get(topicKey{}))
	})
}
