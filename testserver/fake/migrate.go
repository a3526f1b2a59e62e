package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
)

// moves are the hostnames or endpoints that were moved to the lease, in the
// order of the calls.
type moves struct {
	mu    sync.Mutex
	names []string
}

func (m *moves) add(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names = append(m.names, names...)
}

func (m *moves) list() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string{}, m.names...)
}

// migrate serves the migration of hostnames or endpoints, which kind names
// (proto/akash-provider-api.md, section 2.11). It asks for no scope: neither does the
// gateway.
func (p *provider) migrate(w http.ResponseWriter, r *http.Request, kind string, moved *moves) {
	who, ok := p.requireOwner(w, r)
	if !ok {
		return
	}
	var body struct {
		Hostnames []string `json:"hostnames_to_migrate"`
		Endpoints []string `json:"endpoints_to_migrate"`
		DSeq      uint64   `json:"destination_dseq"`
		GSeq      uint32   `json:"destination_gseq"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	names, refusal := body.Hostnames, "the hostname %q is not used by this deployment"
	if kind == "endpoint" {
		names, refusal = body.Endpoints, "the endpoint %q does not exist in the destination deployment"
	}
	if len(names) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if p.faults.has(FaultKubeDown) {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	lease := p.work.lease
	if who.owner != lease.Owner || body.DSeq != lease.DSeq || body.GSeq != lease.GSeq {
		http.Error(w, "destination deployment does not exist", http.StatusBadRequest)
		return
	}
	hostnames, endpoints := p.order.names()
	for _, name := range names {
		if kind == "hostname" && !slices.Contains(hostnames, name) || kind == "endpoint" && !slices.Contains(endpoints, name) {
			http.Error(w, fmt.Sprintf(refusal, name), http.StatusBadRequest)
			return
		}
	}
	moved.add(names)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"transferred": names})
}

// names returns the hostnames and the endpoints in the manifest that was sent last.
func (d *deployment) names() (hostnames, endpoints []string) {
	var groups []manifestGroup
	json.Unmarshal(d.manifest(), &groups) // which was read when it was sent
	for _, g := range groups {
		for _, s := range g.Services {
			for _, e := range s.Expose {
				hostnames = append(hostnames, e.Hosts...)
				if e.Global && e.IP != "" {
					endpoints = append(endpoints, e.IP)
				}
			}
		}
	}
	return hostnames, endpoints
}
