package fake

import "time"

// The types below are the REST gateway's /status and /version (proto/akash-provider-api.md, sections
// 2.2 and 2.3). CPU is in thousandths of a core, the rest in bytes.

type statusJSON struct {
	Cluster        *clusterJSON  `json:"cluster"`
	BidEngine      *bidEngine    `json:"bidengine"`
	Manifest       *manifest     `json:"manifest"`
	PublicHostname string        `json:"cluster_public_hostname,omitempty"`
	Reclamation    time.Duration `json:"reclamation_window,omitempty"`
	Address        string        `json:"address"`

	Verification *verificationInventory `json:"verification_inventory,omitempty"`
}

// verificationInventory describes the latest snapshot of the inventory, as the AEP-86
// alphas do. Nothing validates snapshots here.
type verificationInventory struct {
	Provider      string    `json:"provider"`
	Hash          []byte    `json:"hash"`
	Signature     []byte    `json:"signature"`
	SchemaVersion uint32    `json:"schema_version"`
	CreatedAt     time.Time `json:"created_at"`
	Validation    struct {
		Status string `json:"status"`
	} `json:"validation"`
}

type bidEngine struct {
	Orders int `json:"orders"`
}

type manifest struct {
	Deployments int `json:"deployments"`
}

type clusterJSON struct {
	Leases    int           `json:"leases"`
	Inventory inventoryJSON `json:"inventory"`
}

type inventoryJSON struct {
	Active    []any `json:"active,omitempty"` // metricJSON or ancientJSON
	Pending   []any `json:"pending,omitempty"`
	Available any   `json:"available"` // availableJSON or []ancientJSON
}

type availableJSON struct {
	Nodes   []any         `json:"nodes,omitempty"` // nodeJSON, or metricJSON before v0.5.0
	Storage []storageJSON `json:"storage,omitempty"`
}

type nodeJSON struct {
	Name        string     `json:"name"`
	Allocatable metricJSON `json:"allocatable"`
	Available   metricJSON `json:"available"`
}

type metricJSON struct {
	CPU       int64            `json:"cpu"`
	GPU       int64            `json:"gpu"`
	Memory    int64            `json:"memory"`
	Ephemeral int64            `json:"storage_ephemeral"`
	Storage   map[string]int64 `json:"storage,omitempty"`
}

// ancientJSON is a metric of the oldest providers: amounts in the chain's notation, no
// GPU, and another name for storage.
type ancientJSON struct {
	CPU     chainUnits `json:"cpu"`
	Memory  chainSize  `json:"memory"`
	Storage chainSize  `json:"storage"`
}

type chainUnits struct {
	Units chainValue `json:"units"`
}

type chainSize struct {
	Size chainValue `json:"size"`
}

type chainValue struct {
	Val int64 `json:"val,string"`
}

// ancient returns m in the form of the oldest providers.
func (m metricJSON) ancient() ancientJSON {
	return ancientJSON{
		CPU:     chainUnits{chainValue{m.CPU}},
		Memory:  chainSize{chainValue{m.Memory}},
		Storage: chainSize{chainValue{m.Ephemeral}},
	}
}

type storageJSON struct {
	Class string `json:"class"`
	Size  int64  `json:"size"`
}

// json returns the inventory in the form of release v's REST gateway.
func (inv *inventory) json(v version, address string) statusJSON {
	var available availableJSON
	var nodes []ancientJSON
	for _, m := range inv.machines {
		left := metricJSON{
			CPU:       max(0, m.allocatable.cpu-m.allocated.cpu),
			GPU:       max(0, m.allocatable.gpu-m.allocated.gpu),
			Memory:    max(0, m.allocatable.memory-m.allocated.memory),
			Ephemeral: max(0, m.allocatable.ephemeral-m.allocated.ephemeral),
		}
		nodes = append(nodes, left.ancient())
		if v.reportsNodeNames() {
			available.Nodes = append(available.Nodes, nodeJSON{m.name, m.allocatable.json(), left})
		} else {
			available.Nodes = append(available.Nodes, left)
		}
	}
	for _, p := range inv.pools {
		available.Storage = append(available.Storage, storageJSON{p.class, p.size - p.allocated})
	}
	s := statusJSON{
		Cluster: &clusterJSON{
			Leases: inv.leases,
			Inventory: inventoryJSON{
				Active:    metrics(v, inv.active),
				Pending:   metrics(v, inv.pending),
				Available: available,
			},
		},
		BidEngine:      &bidEngine{inv.orders},
		Manifest:       &manifest{inv.deployments},
		PublicHostname: inv.hostnames[0],
		Address:        address,
	}
	if !v.reportsPlainNumbers() {
		s.Cluster.Inventory.Available = nodes
	}
	if v.reportsReclamation() {
		s.Reclamation = inv.reclamation
	}
	return s
}

func metrics(v version, reservations []resources) (all []any) {
	for _, r := range reservations {
		if v.reportsPlainNumbers() {
			all = append(all, r.json())
		} else {
			all = append(all, r.json().ancient())
		}
	}
	return all
}

func (r resources) json() metricJSON {
	return metricJSON{CPU: r.cpu, GPU: r.gpu, Memory: r.memory, Ephemeral: r.ephemeral, Storage: r.storage}
}

type versionJSON struct {
	Akash map[string]any    `json:"akash"`
	Kube  map[string]string `json:"kube"`
}

// json returns the body of /version.
func (v version) json() versionJSON {
	sdk := "cosmos_sdk_version"
	if !v.reportsNodeNames() {
		sdk = "cosmosSdkVersion"
	}
	return versionJSON{
		Akash: map[string]any{
			"name":        "akash-provider",
			"server_name": "provider-services",
			"version":     v.text,
			"commit":      "",
			"build_tags":  "",
			"go":          "go version go1.26.8 linux/amd64",
			"build_deps": []string{
				"cloud.google.com/go/auth@v0.16.5",
				"cloud.google.com/go/auth/oauth2adapt@v0.2.8",
				"cloud.google.com/go/compute/metadata@v0.8.0",
				"cosmossdk.io/api@v0.9.2",
				"cosmossdk.io/collections@v1.3.1",
			},
			sdk: "v0.53.6",
		},
		Kube: map[string]string{
			"major":        "1",
			"minor":        "31",
			"gitVersion":   "v1.31.1+k3s1",
			"gitCommit":    "452dbbc14c747a0070fdf007ef2239a6e5d8d934",
			"gitTreeState": "clean",
			"buildDate":    "2024-09-19T01:12:58Z",
			"goVersion":    "go1.22.6",
			"compiler":     "gc",
			"platform":     "linux/amd64",
		},
	}
}
