package fake

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// A manifest describes the services of a deployment (proto/akash-provider-api.md,
// section 2.5). Quantities are decimal strings.

type manifestGroup struct {
	Name     string            `json:"name"`
	Services []manifestService `json:"services"`
}

type manifestService struct {
	Name        string            `json:"name"`
	Image       string            `json:"image"`
	Command     []string          `json:"command"`
	Args        []string          `json:"args"`
	Env         []string          `json:"env"`
	Resources   manifestResources `json:"resources"`
	Count       uint32            `json:"count"`
	Expose      []manifestExpose  `json:"expose"`
	Params      any               `json:"params,omitempty"`
	Credentials any               `json:"credentials"`
}

type manifestResources struct {
	ID        uint32             `json:"id"`
	CPU       chainUnits         `json:"cpu"`
	Memory    chainSize          `json:"memory"`
	Storage   []manifestStorage  `json:"storage"`
	GPU       chainUnits         `json:"gpu"`
	Endpoints []manifestEndpoint `json:"endpoints"`
}

type manifestStorage struct {
	Name string     `json:"name"`
	Size chainValue `json:"size"`
}

type manifestEndpoint struct {
	Kind           string `json:"kind,omitempty"`
	SequenceNumber uint32 `json:"sequence_number"`
}

type manifestExpose struct {
	Port             uint16              `json:"port"`
	ExternalPort     uint16              `json:"externalPort"`
	Proto            string              `json:"proto"`
	Service          string              `json:"service"`
	Global           bool                `json:"global"`
	Hosts            []string            `json:"hosts"`
	HTTPOptions      manifestHTTPOptions `json:"httpOptions"`
	IP               string              `json:"ip"`
	EndpointSequence uint32              `json:"endpointSequenceNumber"`
}

type manifestHTTPOptions struct {
	MaxBodySize uint32   `json:"maxBodySize"`
	ReadTimeout uint32   `json:"readTimeout"`
	SendTimeout uint32   `json:"sendTimeout"`
	NextTries   uint32   `json:"nextTries"`
	NextTimeout uint32   `json:"nextTimeout"`
	NextCases   []string `json:"nextCases"`
}

// deployment is a tenant's order on the chain, and the manifest sent to the provider.
type deployment struct {
	mu     sync.Mutex
	groups []manifestGroup // what was ordered
	hash   [sha256.Size]byte
	sent   json.RawMessage // nil until a manifest arrives
}

// groupName is the name of the only group, as in most deployments.
const groupName = "dcloud"

// newDeployment orders services and submits their manifest.
func newDeployment(services []Service) (*deployment, error) {
	group := manifestGroup{Name: groupName}
	for i, s := range services {
		expose := manifestExpose{
			Port: 8080, ExternalPort: 80, Proto: "TCP", Global: true,
			Hosts: []string{s.Name + ".provider.localhost"},
			HTTPOptions: manifestHTTPOptions{
				MaxBodySize: 1 << 20, ReadTimeout: 60_000, SendTimeout: 60_000, NextTries: 3,
				NextCases: []string{"error", "timeout"},
			},
		}
		if s.Stateful {
			expose.Port, expose.ExternalPort, expose.Hosts = 5432, 5432, nil
		}
		group.Services = append(group.Services, manifestService{
			Name:  s.Name,
			Image: "docker.io/library/" + s.Name + ":1",
			Resources: manifestResources{
				ID:        uint32(i + 1),
				CPU:       chainUnits{chainValue{500}},
				Memory:    chainSize{chainValue{512 * mebi}},
				Storage:   []manifestStorage{{Name: "default", Size: chainValue{gibi}}},
				Endpoints: []manifestEndpoint{{}},
			},
			Count:  uint32(s.Replicas),
			Expose: []manifestExpose{expose},
		})
	}
	d := &deployment{groups: []manifestGroup{group}}
	text, err := json.Marshal(d.groups)
	if err != nil {
		return nil, err
	}
	d.sent = text
	d.hash, err = hashManifest(text)
	return d, err
}

// hashManifest returns the SHA-256 of a manifest's JSON with sorted keys, which is the
// deployment's version on the chain.
func hashManifest(text []byte) ([sha256.Size]byte, error) {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return [sha256.Size]byte{}, err
	}
	sorted, err := json.Marshal(v)
	return sha256.Sum256(sorted), err
}

// manifestError is the error for a refused manifest.
type manifestError struct {
	status  int
	message string
}

// submit accepts a manifest, or returns an error with a provider's message.
func (d *deployment) submit(text []byte) *manifestError {
	var groups []manifestGroup
	if err := json.Unmarshal(text, &groups); err != nil {
		return &manifestError{http.StatusUnprocessableEntity, err.Error()}
	}
	if message := checkManifest(groups); message != "" {
		return &manifestError{http.StatusUnprocessableEntity, "invalid manifest: " + message}
	}
	hash, err := hashManifest(text)
	if err != nil {
		return &manifestError{http.StatusUnprocessableEntity, err.Error()}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if hash != d.hash {
		return &manifestError{http.StatusUnprocessableEntity, "manifest version validation failed"}
	}
	if message := d.crossCheck(groups); message != "" {
		return &manifestError{http.StatusUnprocessableEntity, "manifest cross-validation error: " + message}
	}
	d.sent = text
	return nil
}

// checkManifest validates a manifest by itself.
func checkManifest(groups []manifestGroup) string {
	if len(groups) == 0 {
		return "manifest is empty"
	}
	for _, g := range groups {
		if len(g.Services) == 0 {
			return fmt.Sprintf("group %q contains no services", g.Name)
		}
		for _, s := range g.Services {
			switch {
			case s.Name == "":
				return fmt.Sprintf("group %q: service name is empty", g.Name)
			case s.Image == "":
				return fmt.Sprintf("group %q: service %q: image is empty", g.Name, s.Name)
			case s.Count == 0:
				return fmt.Sprintf("group %q: service %q: service cannot have zero count", g.Name, s.Name)
			}
		}
	}
	return ""
}

// crossCheck compares a manifest with the order. The caller holds the lock.
func (d *deployment) crossCheck(groups []manifestGroup) string {
	if len(groups) != len(d.groups) {
		return fmt.Sprintf("group count mismatch: manifest(%d) != deployment(%d)", len(groups), len(d.groups))
	}
	for i, g := range groups {
		ordered := d.groups[i]
		if g.Name != ordered.Name {
			return fmt.Sprintf("unknown group %q", g.Name)
		}
		for _, s := range g.Services {
			at := fmt.Sprintf("group %q: service %q: ", g.Name, s.Name)
			known := false
			for _, o := range ordered.Services {
				if o.Resources.ID != s.Resources.ID {
					continue
				}
				known = true
				switch {
				case o.Resources.CPU != s.Resources.CPU:
					return at + "CPU resources mismatch for ID " + strconv.Itoa(int(s.Resources.ID))
				case o.Resources.Memory != s.Resources.Memory:
					return at + "Memory resources mismatch for ID " + strconv.Itoa(int(s.Resources.ID))
				case s.Count > o.Count:
					return at + "over-utilized replicas"
				}
			}
			if !known {
				return at + "not found deployment group resources with ID = " + strconv.Itoa(int(s.Resources.ID))
			}
		}
	}
	return ""
}

// expect changes the version on the chain to that of a manifest, as a tenant does
// before sending it.
func (d *deployment) expect(text []byte) error {
	hash, err := hashManifest(text)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hash = hash
	return nil
}

// manifest returns the latest manifest.
func (d *deployment) manifest() json.RawMessage {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sent
}

// putManifest handles a request that sends a manifest.
func (p *provider) putManifest(w http.ResponseWriter, r *http.Request, id Lease) {
	var text json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&text); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	refused := &manifestError{http.StatusNotFound, "no lease for deployment"}
	if id.DSeq == p.work.lease.DSeq && id.Owner == p.work.lease.Owner {
		refused = p.order.submit(text)
	}
	if refused != nil {
		p.writeClusterError(w, refused.status, refused.message)
	}
}

// getManifest handles a request for the manifest of a lease.
func (p *provider) getManifest(w http.ResponseWriter, _ *http.Request, id Lease) {
	held, answered := p.hasLease(w, id)
	if answered {
		return
	}
	if !held {
		http.Error(w, noLease, http.StatusNotFound)
		return
	}
	p.writeJSON(w, p.order.manifest())
}
