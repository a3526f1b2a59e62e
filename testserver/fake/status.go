package fake

import (
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/proto/k8s/io/apimachinery/pkg/api/resource"
)

// board has a provider's status, and notifies watchers of changes.
type board struct {
	mu      sync.Mutex
	now     *inventory
	given   *providerv1.Status // set by a test, instead of the inventory's
	changed chan struct{}
}

func newBoard(inv *inventory) *board {
	return &board{now: inv, changed: make(chan struct{})}
}

// status returns the status as reported by release v, and a channel that is closed
// when it changes.
func (b *board) status(v version) (*providerv1.Status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.given != nil {
		return proto.CloneOf(b.given), b.changed
	}
	return b.now.status(v), b.changed
}

// inventory returns the inventory reported by the REST gateway.
func (b *board) inventory() *inventory {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// change switches to the next inventory or, if it is not nil, to a given status.
func (b *board) change(given *providerv1.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.given = given
	if given == nil {
		b.now = b.now.next(time.Now())
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// status returns the inventory as akash.provider.v1.Status.
func (inv *inventory) status(v version) *providerv1.Status {
	cluster := &inventoryv1.Cluster{}
	for _, m := range inv.machines {
		cluster.Nodes = append(cluster.Nodes, m.node(v))
	}
	for _, p := range inv.pools {
		cluster.Storage = append(cluster.Storage, &inventoryv1.Storage{
			Quantity: pair(v, binaryBytes(p.size), binaryBytes(p.allocated), binaryBytes(p.size)),
			Info:     &inventoryv1.StorageInfo{Class: p.class, Iops: p.iops},
		})
	}
	s := &providerv1.Status{
		Errors: inv.errors,
		Cluster: &providerv1.ClusterStatus{
			Leases: &providerv1.Leases{Active: uint32(inv.leases)},
			Inventory: &providerv1.Inventory{
				Cluster: cluster,
				Reservations: &providerv1.Reservations{
					Pending: metric(inv.pending),
					Active:  metric(inv.active),
				},
			},
		},
		BidEngine:       &providerv1.BidEngineStatus{Orders: uint32(inv.orders)},
		Manifest:        &providerv1.ManifestStatus{Deployments: uint32(inv.deployments)},
		PublicHostnames: inv.hostnames,
		Timestamp:       timestamppb.New(inv.changed),
	}
	if v.reportsReclamation() {
		s.Cluster.Inventory.LeasedIp = pair(v, "0", "0", "0")
		s.ReclamationWindow = durationpb.New(inv.reclamation)
	}
	return s
}

func (m machine) node(v version) *inventoryv1.Node {
	gpu := &inventoryv1.GPU{Quantity: pair(v, count(m.allocatable.gpu), count(m.allocated.gpu), count(m.capacity.gpu))}
	for range m.capacity.gpu {
		gpu.Info = append(gpu.Info, &inventoryv1.GPUInfo{
			Vendor:     m.graphics.vendor,
			VendorId:   m.graphics.vendorID,
			Name:       m.graphics.name,
			Modelid:    m.graphics.id,
			Interface:  m.graphics.bus,
			MemorySize: m.graphics.memory,
		})
	}
	return &inventoryv1.Node{
		Name: m.name,
		Resources: &inventoryv1.NodeResources{
			Cpu: &inventoryv1.CPU{
				Quantity: pair(v, milli(m.allocatable.cpu), milli(m.allocated.cpu), milli(m.capacity.cpu)),
				Info: []*inventoryv1.CPUInfo{{
					Id:     "0",
					Vendor: m.processor.vendor,
					Model:  m.processor.model,
					Vcores: uint32(m.capacity.cpu / 1000),
				}},
			},
			Memory: &inventoryv1.Memory{
				Quantity: pair(v, binaryBytes(m.allocatable.memory), binaryBytes(m.allocated.memory), binaryBytes(m.capacity.memory)),
				Info: []*inventoryv1.MemoryInfo{{
					Vendor:    "Samsung",
					Type:      "DDR4",
					TotalSize: strconv.FormatInt(m.capacity.memory/gibi, 10) + "GB",
					Speed:     "3200MHz",
				}},
			},
			Gpu: gpu,
			EphemeralStorage: pair(v, decimalBytes(m.allocatable.ephemeral), decimalBytes(m.allocated.ephemeral),
				decimalBytes(m.capacity.ephemeral)),
			VolumesAttached: pair(v, "0", "0", "0"),
			VolumesMounted:  pair(v, "0", "0", "0"),
		},
		Capabilities: &inventoryv1.NodeCapabilities{StorageClasses: m.classes},
	}
}

// metric sums up reservations.
func metric(reservations []resources) *providerv1.ReservationsMetric {
	var sum resources
	for _, r := range reservations {
		sum = sum.add(r)
	}
	m := &providerv1.ReservationsMetric{
		Count: uint32(len(reservations)),
		Resources: &providerv1.ResourcesMetric{
			Cpu:              quantity(milli(sum.cpu)),
			Memory:           quantity(binaryBytes(sum.memory)),
			Gpu:              quantity(count(sum.gpu)),
			EphemeralStorage: quantity(binaryBytes(sum.ephemeral)),
		},
	}
	for class, n := range sum.storage {
		if m.Resources.Storage == nil {
			m.Resources.Storage = map[string]*resource.Quantity{}
		}
		m.Resources.Storage[class] = quantity(binaryBytes(n))
	}
	return m
}

func pair(v version, allocatable, allocated, capacity string) *inventoryv1.ResourcePair {
	p := &inventoryv1.ResourcePair{Allocatable: quantity(allocatable), Allocated: quantity(allocated)}
	if v.reportsCapacity() {
		p.Capacity = quantity(capacity)
	}
	return p
}

func quantity(text string) *resource.Quantity { return &resource.Quantity{String_: text} }

// The functions below format amounts as Kubernetes does: in the largest unit without a
// fraction.

// milli formats thousandths: "63900m", "64".
func milli(n int64) string {
	if n%1000 == 0 {
		return strconv.FormatInt(n/1000, 10)
	}
	return strconv.FormatInt(n, 10) + "m"
}

// binaryBytes formats bytes in powers of 1024: "511Gi".
func binaryBytes(n int64) string {
	return suffixed(n, 1024, "", "Ki", "Mi", "Gi", "Ti", "Pi")
}

// decimalBytes formats bytes in powers of 1000: "1800G".
func decimalBytes(n int64) string {
	return suffixed(n, 1000, "", "k", "M", "G", "T", "P")
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

func suffixed(n, base int64, units ...string) string {
	i := 0
	for ; n != 0 && n%base == 0 && i < len(units)-1; i++ {
		n /= base
	}
	return strconv.FormatInt(n, 10) + units[i]
}
