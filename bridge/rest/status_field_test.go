package rest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

func decodedStatus(t *testing.T, body string) *providerv1.Status {
	t.Helper()
	status, err := decodeStatus([]byte(body), "")
	require.NoError(t, err)
	return status
}

// A provider reported storage of -275152609037 bytes, which became 0, and 2^64 bytes
// of free memory, which became "all of it is free"; nothing said so.
func TestFieldImpossibleAmountsAreBoundedAndTold(t *testing.T) {
	status := decodedStatus(t, `{"cluster":{"leases":-1,"inventory":{
		"active":[{"cpu":100,"memory":-5}],
		"available":{
			"nodes":[
				{"name":"node1","allocatable":{"cpu":4000,"memory":540000000000,"storage_ephemeral":100},"available":{"cpu":1000,"memory":18446744073709551616,"storage_ephemeral":-7}},
				{"name":"node2","allocatable":{"cpu":4000,"memory":18446744073709551615,"gpu":8},"available":{"cpu":4001,"memory":9007199254740993,"gpu":8}}],
			"storage":[{"class":"beta2","size":-275152609037},{"class":"beta3","size":9007199254740993}]}}},
		"bidengine":{"orders":4294967296},"manifest":{"deployments":3},"reclamation_window":-1,"address":"a"}`)
	assert.Equal(t, []string{
		"bridge: cluster.leases cannot be -1 in the provider's status; taken as 0",
		"bridge: reservation 1: memory cannot be -5 in the provider's status; taken as 0",
		"bridge: node node1: available memory cannot be 18446744073709551616 in the provider's status; taken as 0",
		"bridge: node node1: available storage_ephemeral cannot be -7 in the provider's status; taken as 0",
		"bridge: node node2: available cpu cannot be 4001 in the provider's status; taken as 4000",
		"bridge: node node2: allocatable memory cannot be 18446744073709551615 in the provider's status; taken as 0",
		"bridge: node node2: available memory cannot be 9007199254740993 in the provider's status; taken as 0",
		"bridge: storage beta2: available cannot be -275152609037 in the provider's status; taken as 0",
		"bridge: bidengine.orders cannot be 4294967296 in the provider's status; taken as 4294967295",
		"bridge: reclamation_window cannot be -1 in the provider's status; taken as 0",
	}, status.GetErrors())

	cluster := status.GetCluster().GetInventory().GetCluster()
	first, second := cluster.GetNodes()[0].GetResources(), cluster.GetNodes()[1].GetResources()
	assert.Equal(t, "540000000000", first.GetMemory().GetQuantity().GetAllocated().GetString_(), "nothing of it is free")
	assert.Equal(t, "100", first.GetEphemeralStorage().GetAllocated().GetString_())
	assert.Equal(t, "3", first.GetCpu().GetQuantity().GetAllocated().GetString_())
	assert.Equal(t, "0", second.GetCpu().GetQuantity().GetAllocated().GetString_())
	assert.Equal(t, "0", cluster.GetStorage()[0].GetQuantity().GetAllocatable().GetString_())
	assert.Equal(t, "9007199254740993", cluster.GetStorage()[1].GetQuantity().GetAllocatable().GetString_(), "more than 2^53, and exact")
}

// The number of notes about impossible amounts is limited.
func TestFieldTheNotesOnAmountsAreBounded(t *testing.T) {
	var nodes []string
	for i := range 1000 {
		nodes = append(nodes, fmt.Sprintf(`{"name":"n%d","allocatable":{"cpu":1},"available":{"cpu":-1}}`, i))
	}
	status := decodedStatus(t, `{"cluster":{"leases":1,"inventory":{"available":{"nodes":[`+strings.Join(nodes, ",")+`]}}}}`)
	require.Len(t, status.GetErrors(), maxRepairs+1)
	assert.Equal(t, "bridge: 980 more amounts in the provider's status cannot be", status.GetErrors()[maxRepairs])
}

// A provider that did not know its inventory yet was shown without nodes, and the
// inventory's error was dropped.
func TestFieldAnInventoryThatIsNotKnown(t *testing.T) {
	const unknown = "bridge: the provider's inventory is not known, as it is until the provider has looked at its cluster"
	for _, tt := range []struct {
		name, inventory string
		known           bool
		errors          []string
	}{
		{"not ready", `{"available":{},"error":{}}`, false, []string{"the provider reports an error of its inventory", unknown}},
		{"not ready, with words", `{"available":{},"error":"inventory not ready"}`, false, []string{"the provider reports an error of its inventory: inventory not ready", unknown}},
		{"not ready, as the kube client has it", `{"available":{},"error":{"ErrStatus":{"message":"etcd is away"}}}`, false, []string{"the provider reports an error of its inventory: etcd is away", unknown}},
		{"old numbers with an error", `{"available":{"nodes":[{"name":"n","allocatable":{"cpu":1},"available":{"cpu":1}}]},"error":{"message":"stale"}}`, true, []string{"the provider reports an error of its inventory: stale"}},
		{"no nodes", `{"available":{}}`, true, nil},
		{"no error", `{"available":{},"error":null}`, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status := decodedStatus(t, `{"cluster":{"leases":2,"inventory":`+tt.inventory+`},"bidengine":{"orders":1},"manifest":null,"address":"a"}`)
			assert.Equal(t, tt.known, status.GetCluster().GetInventory() != nil)
			assert.EqualValues(t, 2, status.GetCluster().GetLeases().GetActive())
			assert.Equal(t, tt.errors, status.GetErrors())
		})
	}
}
