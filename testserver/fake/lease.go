package fake

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// Service is one service of the lease that a provider holds.
type Service struct {
	Name     string
	Replicas int
	// Stateful services run as a StatefulSet, whose pods are numbered.
	Stateful bool
}

// DefaultServices are the services of a fake that is not told others.
var DefaultServices = []Service{
	{Name: "web", Replicas: 3},
	{Name: "db", Replicas: 2, Stateful: true},
}

// Lease names a lease (akash.market.v1.LeaseID).
type Lease struct {
	Owner    string `json:"owner"`
	DSeq     uint64 `json:"dseq"`
	GSeq     uint32 `json:"gseq"`
	OSeq     uint32 `json:"oseq"`
	Provider string `json:"provider"`
}

// namespace is the lease's Kubernetes namespace: base32hex of the SHA-224 of its
// path (reference section 2.9).
func (l Lease) namespace() string {
	sum := sha256.Sum224(fmt.Appendf(nil, "%s/%d/%d/%d/%s", l.Owner, l.DSeq, l.GSeq, l.OSeq, l.Provider))
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

// workload is the running services of a lease.
type workload struct {
	lease    Lease
	services []Service
	pods     map[string][]string // by service; replica i is pod i, in sorted order

	mu      sync.Mutex
	states  map[string]*serviceState
	changed chan struct{}
}

// serviceState is how far the replicas of a service have come.
type serviceState struct {
	generation int64
	ready      int
}

func newWorkload(seed uint64, lease Lease, services []Service) *workload {
	w := &workload{
		lease:    lease,
		services: services,
		pods:     map[string][]string{},
		states:   map[string]*serviceState{},
		changed:  make(chan struct{}),
	}
	for _, s := range services {
		w.states[s.Name] = &serviceState{generation: 1, ready: s.Replicas}
		w.pods[s.Name] = podNames(seed, s)
	}
	return w
}

// podLetters are those that Kubernetes picks pod names from: no vowels, so that no
// words come up.
const podLetters = "bcdfghjklmnpqrstvwxz2456789"

// podNames returns the names of a service's pods, sorted.
func podNames(seed uint64, s Service) []string {
	sum := derive(seed, "pods", s.Name)
	letters := func(n, salt int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = podLetters[mix(uint64(sum[i])<<32|uint64(sum[31-i])<<16|uint64(salt))%uint64(len(podLetters))]
		}
		return string(b)
	}
	var names []string
	for r := range s.Replicas {
		if s.Stateful {
			names = append(names, s.Name+"-"+strconv.Itoa(r))
			continue
		}
		names = append(names, s.Name+"-"+letters(9, -1)+"-"+letters(5, r))
	}
	if !s.Stateful {
		slices.Sort(names)
	}
	return names
}

// find returns a service, or nil.
func (w *workload) find(name string) *Service {
	for i := range w.services {
		if w.services[i].Name == name {
			return &w.services[i]
		}
	}
	return nil
}

// status returns the status of the services that match, and a channel that is
// closed when it changes.
func (w *workload) status(match func(Service) bool) ([]*leasev1.ServiceStatus, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*leasev1.ServiceStatus
	for _, s := range w.services {
		if !match(s) {
			continue
		}
		state := w.states[s.Name]
		total, ready := int32(s.Replicas), int32(state.ready)
		one := &leasev1.ServiceStatus{
			Name: s.Name,
			Status: &leasev1.LeaseServiceStatus{
				Available:          ready,
				Total:              total,
				Uris:               []string{s.Name + ".provider.localhost"},
				ObservedGeneration: state.generation,
				Replicas:           total,
				UpdatedReplicas:    total,
				ReadyReplicas:      ready,
				AvailableReplicas:  ready,
			},
		}
		if s.Stateful {
			one.Ports = []*leasev1.ForwarderPortStatus{{
				Host: "provider.localhost", Port: 5432, ExternalPort: 31234, Proto: "TCP", Name: s.Name,
			}}
		}
		all = append(all, one)
	}
	return all, w.changed
}

// setReady changes how many replicas of a service are ready.
func (w *workload) setReady(name string, change int, restarted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := w.states[name]
	state.ready += change
	if restarted {
		state.generation++
	}
	close(w.changed)
	w.changed = make(chan struct{})
}
