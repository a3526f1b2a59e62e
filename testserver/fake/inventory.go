package fake

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// Units of resources.
const (
	mebi = 1 << 20
	gibi = 1 << 30
	tebi = 1 << 40
	giga = 1_000_000_000
)

// resources is an amount of each resource: CPU in thousandths of a core, the others in
// bytes or devices.
type resources struct {
	cpu       int64
	memory    int64
	gpu       int64
	ephemeral int64
	storage   map[string]int64 // by storage class
}

// add returns the sum of r and s.
func (r resources) add(s resources) resources {
	sum := resources{
		cpu:       r.cpu + s.cpu,
		memory:    r.memory + s.memory,
		gpu:       r.gpu + s.gpu,
		ephemeral: r.ephemeral + s.ephemeral,
		storage:   maps.Clone(r.storage),
	}
	for class, n := range s.storage {
		if sum.storage == nil {
			sum.storage = map[string]int64{}
		}
		sum.storage[class] += n
	}
	return sum
}

// graphics is a model of GPU.
type graphics struct {
	vendor, vendorID, name, id, bus, memory string
}

// processor is a model of CPU.
type processor struct{ vendor, model string }

// machine is one node of the cluster.
type machine struct {
	name                             string
	capacity, allocatable, allocated resources
	processor                        processor
	graphics                         graphics
	classes                          []string
}

// pool is one persistent storage class.
type pool struct {
	class           string
	iops            string
	size, allocated int64
}

// inventory is the state reported by a provider's status over both protocols.
type inventory struct {
	leases, orders, deployments int
	machines                    []machine
	pools                       []pool
	pending, active             []resources // one per reservation
	hostnames                   []string
	reclamation                 time.Duration
	changed                     time.Time
	errors                      []string
}

var (
	processors = []processor{
		{"GenuineIntel", "Intel(R) Xeon(R) Gold 6338"},
		{"AuthenticAMD", "AMD EPYC 7763 64-Core Processor"},
		{"AuthenticAMD", "AMD EPYC 9654 96-Core Processor"},
	}
	graphicsCards = []graphics{
		{"nvidia", "10de", "h100", "2330", "SXM5", "80Gi"},
		{"nvidia", "10de", "a100", "20b2", "SXM4", "80Gi"},
		{"nvidia", "10de", "rtx4090", "2684", "PCIe", "24Gi"},
		{"amd", "1002", "mi300x", "74a1", "OAM", "192Gi"},
	}
	storageClasses = []string{"beta1", "beta2", "beta3"}
)

// newInventory generates a cluster of three to five nodes, some of them with GPUs.
func newInventory(seed uint64, hostname string) *inventory {
	sum := derive(seed, "inventory")
	rng := rand.New(rand.NewChaCha8(sum))
	inv := &inventory{
		orders:      1 + rng.IntN(4),
		hostnames:   []string{hostname},
		reclamation: 24 * time.Hour,
	}
	pools := append([]string(nil), storageClasses[1:2+rng.IntN(2)]...)
	for _, class := range pools {
		size := int64(4+rng.IntN(12)) * tebi
		inv.pools = append(inv.pools, pool{
			class: class,
			iops:  "unknown",
			size:  size, allocated: size / 8 * int64(1+rng.IntN(5)),
		})
	}
	card := graphicsCards[rng.IntN(len(graphicsCards))]
	for i := range 3 + rng.IntN(3) {
		cores := int64(32) << rng.IntN(3)
		memory := cores * int64(4+4*rng.IntN(2)) * gibi
		disk := int64(900+100*rng.IntN(12)) * giga
		var gpus int64
		if i%2 == 0 {
			gpus = 2 << rng.IntN(3)
		}
		m := machine{
			name:      "node" + strconv.Itoa(i+1),
			processor: processors[rng.IntN(len(processors))],
			capacity:  resources{cpu: cores * 1000, memory: memory, gpu: gpus, ephemeral: disk + 100*giga},
			// Reserved by Kubernetes itself.
			allocatable: resources{cpu: cores*1000 - 100, memory: memory - gibi, gpu: gpus, ephemeral: disk},
			classes:     append([]string{"default"}, pools...),
		}
		if gpus > 0 {
			m.graphics = card
		}
		m.allocated = resources{
			cpu:       m.allocatable.cpu * int64(10+rng.IntN(80)) / 100,
			memory:    m.allocatable.memory / mebi * int64(10+rng.IntN(80)) / 100 * mebi,
			gpu:       int64(rng.IntN(int(gpus) + 1)),
			ephemeral: int64(50+rng.IntN(400)) * giga,
		}
		inv.machines = append(inv.machines, m)
	}
	inv.leases = 3 + rng.IntN(20)
	inv.deployments = inv.leases - rng.IntN(3)
	for i := range 2 + rng.IntN(3) {
		r := resources{
			cpu:       int64(500 * (1 + rng.IntN(16))),
			memory:    int64(512*(1+rng.IntN(64))) * mebi,
			ephemeral: int64(1+rng.IntN(100)) * gibi,
		}
		if i == 0 {
			r.gpu = 1
			r.storage = map[string]int64{pools[0]: int64(10+rng.IntN(90)) * gibi}
		}
		inv.active = append(inv.active, r)
	}
	if rng.IntN(2) == 0 {
		inv.pending = []resources{{cpu: 1000, memory: 2 * gibi, ephemeral: 5 * gibi}}
	}
	return inv
}

// next returns the inventory with one lease more or less, a change that happens many
// times a day at a real provider.
func (inv *inventory) next(now time.Time) *inventory {
	n := *inv
	n.machines = slices.Clone(inv.machines)
	m := &n.machines[inv.leases%len(n.machines)]
	const cpu, memory = 500, 512 * mebi
	if m.allocated.cpu+cpu <= m.allocatable.cpu && m.allocated.memory+memory <= m.allocatable.memory {
		m.allocated.cpu += cpu
		m.allocated.memory += memory
		n.leases++
		n.deployments++
	} else {
		m.allocated.cpu -= cpu
		m.allocated.memory -= memory
		n.leases--
		n.deployments--
	}
	n.changed = now
	return &n
}
