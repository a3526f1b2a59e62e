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

// Service is a service of a provider's lease.
type Service struct {
	Name     string
	Replicas int
	// Stateful services run as a StatefulSet, which numbers its pods.
	Stateful bool
}

// DefaultServices are the default of Options.Services.
var DefaultServices = []Service{
	{Name: "web", Replicas: 3},
	{Name: "db", Replicas: 2, Stateful: true},
}

// Lease identifies a lease (akash.market.v1.LeaseID).
type Lease struct {
	Owner    string `json:"owner"`
	DSeq     uint64 `json:"dseq"`
	GSeq     uint32 `json:"gseq"`
	OSeq     uint32 `json:"oseq"`
	Provider string `json:"provider"`
}

// namespace returns the lease's Kubernetes namespace: the base32hex form of the
// SHA-224 of its path (proto/akash-provider-api.md, section 2.9).
func (l Lease) namespace() string {
	sum := sha256.Sum224(fmt.Appendf(nil, "%s/%d/%d/%d/%s", l.Owner, l.DSeq, l.GSeq, l.OSeq, l.Provider))
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

// workload is the running services of a lease.
type workload struct {
	lease Lease
	seed  uint64
	logs  *logbook

	mu       sync.Mutex
	services []Service
	states   map[string]*serviceState
	changed  chan struct{}
	events   []event
}

// serviceState is the status of a service's Deployment: ready pods, pods of the latest
// generation, and all pods.
type serviceState struct {
	generation            int64
	total, updated, ready int
	replaced              int // the number of replaced pods
}

// newWorkload starts every replica of the services.
func newWorkload(seed uint64, lease Lease, services []Service, logs *logbook) *workload {
	w := &workload{
		lease:    lease,
		seed:     seed,
		logs:     logs,
		services: slices.Clone(services),
		states:   map[string]*serviceState{},
		changed:  make(chan struct{}),
	}
	for _, s := range services {
		w.states[s.Name] = &serviceState{generation: 1, total: s.Replicas, updated: s.Replicas, ready: s.Replicas}
		for replica, pod := range podNames(seed, s) {
			w.logs.add(s.Name, replica, pod)
			w.began(s.Name, pod)
		}
	}
	return w
}

// list returns the services.
func (w *workload) list() []Service {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.services)
}

// has reports whether the lease has a service.
func (w *workload) has(name string) bool {
	return slices.ContainsFunc(w.list(), func(s Service) bool { return s.Name == name })
}

// announce wakes all goroutines that wait for a change. The caller holds the lock.
func (w *workload) announce() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// podLetters are the letters of Kubernetes' pod names. There are no vowels, so that
// names do not contain words.
const podLetters = "bcdfghjklmnpqrstvwxz2456789"

// podSuffix is the length of the last part of the name of a Deployment's pod.
const podSuffix = 5

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
		names = append(names, s.Name+"-"+letters(9, -1)+"-"+letters(podSuffix, r))
	}
	if !s.Stateful {
		slices.Sort(names)
	}
	return names
}

// status returns the status of matching services, and a channel that is closed when it
// changes.
func (w *workload) status(match func(Service) bool) ([]*leasev1.ServiceStatus, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*leasev1.ServiceStatus
	for _, s := range w.services {
		if !match(s) {
			continue
		}
		state := w.states[s.Name]
		total, ready := int32(state.total), int32(state.ready)
		one := &leasev1.ServiceStatus{
			Name: s.Name,
			Status: &leasev1.LeaseServiceStatus{
				Available:          ready,
				Total:              total,
				Uris:               []string{s.Name + ".provider.localhost"},
				ObservedGeneration: state.generation,
				Replicas:           total,
				UpdatedReplicas:    int32(state.updated),
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

// restarting records that n replicas of a service have stopped.
func (w *workload) restarting(name string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states[name].ready -= n
	w.states[name].generation++
	w.tellAll(name, n, "Killing", "Stopping container "+name)
	w.announce()
}

// restarted records that n replicas of a service run again.
func (w *workload) restarted(name string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states[name].ready += n
	w.tellAll(name, n, "Started", "Started container "+name)
	w.announce()
}

// tellAll records an event of the first n pods of a service. The caller holds the
// lock.
func (w *workload) tellAll(name string, n int, reason, note string) {
	for _, j := range w.logs.all() {
		if j.service == name && n > 0 && j.phase() != podGone {
			w.tell(name, j.pod, "Normal", reason, note)
			n--
		}
	}
}
