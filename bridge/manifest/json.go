// Package manifest converts manifests between JSON, which providers' REST gateways take, and
// the messages of the SDK's LeaseRPC.
package manifest

import (
	"encoding/json"

	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
)

// JSON returns groups in JSON.
func JSON(groups []*sdkv1.ManifestGroup) ([]byte, error) {
	return json.Marshal(each(groups, groupOf))
}

// The types below are the manifest in JSON, as the SDK writes it to find a deployment's
// version: the provider compares that with the version on the chain. So lists without
// entries are null where the SDK has null, and absent where it leaves them out.

type group struct {
	Name     string            `json:"name"`
	Services []manifestService `json:"services"`
}

type manifestService struct {
	Name        string       `json:"name"`
	Image       string       `json:"image"`
	Command     []string     `json:"command"` // null without entries
	Args        []string     `json:"args"`    // null without entries
	Env         []string     `json:"env"`     // null without entries
	Resources   resources    `json:"resources"`
	Count       uint32       `json:"count"`
	Expose      []expose     `json:"expose"`
	Params      *params      `json:"params,omitempty"`
	Credentials *credentials `json:"credentials"`
}

type expose struct {
	Port                   uint32      `json:"port"`
	ExternalPort           uint32      `json:"externalPort"`
	Proto                  string      `json:"proto"`
	Service                string      `json:"service"`
	Global                 bool        `json:"global"`
	Hosts                  []string    `json:"hosts"` // null without entries
	HTTPOptions            httpOptions `json:"httpOptions"`
	IP                     string      `json:"ip"`
	EndpointSequenceNumber uint32      `json:"endpointSequenceNumber"`
}

type httpOptions struct {
	MaxBodySize     uint32   `json:"maxBodySize"`
	ReadTimeout     uint32   `json:"readTimeout"`
	SendTimeout     uint32   `json:"sendTimeout"`
	NextTries       uint32   `json:"nextTries"`
	NextTimeout     uint32   `json:"nextTimeout"`
	NextCases       []string `json:"nextCases,omitempty"`
	ProxyBufferSize uint32   `json:"proxyBufferSize,omitempty"`
}

type params struct {
	Storage     []mount      `json:"storage"` // null without entries
	Credentials *credentials `json:"credentials,omitempty"`
	Permissions *permissions `json:"permissions,omitempty"`
	TEE         *tee         `json:"tee,omitempty"`
}

type mount struct {
	Name     string `json:"name"`
	Mount    string `json:"mount"`
	ReadOnly bool   `json:"readOnly"`
}

type credentials struct {
	Host     string `json:"host"`
	Email    string `json:"email"`
	Username string `json:"username"`
	Password string `json:"password"`
}

type permissions struct {
	Read []string `json:"read,omitempty"`
}

type tee struct {
	Type        string `json:"type"`
	Attestation bool   `json:"attestation"`
}

type resources struct {
	ID        uint32     `json:"id"`
	CPU       *units     `json:"cpu,omitempty"`
	Memory    *quantity  `json:"memory,omitempty"`
	Storage   []volume   `json:"storage,omitempty"`
	GPU       *units     `json:"gpu,omitempty"`
	Endpoints []endpoint `json:"endpoints"`
}

type units struct {
	Units      value       `json:"units"`
	Attributes []attribute `json:"attributes,omitempty"`
}

type quantity struct {
	Size       value       `json:"size"`
	Attributes []attribute `json:"attributes,omitempty"`
}

type volume struct {
	Name       string      `json:"name"`
	Size       value       `json:"size"`
	Attributes []attribute `json:"attributes,omitempty"`
}

type value struct {
	Val string `json:"val"`
}

type attribute struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type endpoint struct {
	Kind           sdkv1.ManifestEndpoint_Kind `json:"kind,omitempty"` // in JSON a number
	SequenceNumber uint32                      `json:"sequence_number"`
}

func groupOf(g *sdkv1.ManifestGroup) group {
	return group{g.GetName(), each(g.GetServices(), serviceOf)}
}

func serviceOf(s *sdkv1.ManifestService) manifestService {
	return manifestService{
		Name: s.GetName(), Image: s.GetImage(), Command: s.GetCommand(), Args: s.GetArgs(), Env: s.GetEnv(),
		Resources: resourcesOf(s.GetResources()), Count: s.GetCount(), Expose: each(s.GetExpose(), exposeOf),
		Params: paramsOf(s.GetParams()), Credentials: credentialsOf(s.GetCredentials()),
	}
}

func exposeOf(e *sdkv1.ManifestExpose) expose {
	o := e.GetHttpOptions()
	return expose{
		Port: e.GetPort(), ExternalPort: e.GetExternalPort(), Proto: e.GetProto(), Service: e.GetService(),
		Global: e.GetGlobal(), Hosts: e.GetHosts(), IP: e.GetIp(), EndpointSequenceNumber: e.GetEndpointSequenceNumber(),
		HTTPOptions: httpOptions{
			o.GetMaxBodySize(), o.GetReadTimeout(), o.GetSendTimeout(), o.GetNextTries(), o.GetNextTimeout(),
			o.GetNextCases(), o.GetProxyBufferSize(),
		},
	}
}

func paramsOf(p *sdkv1.ManifestParams) *params {
	if p == nil {
		return nil
	}
	out := &params{Credentials: credentialsOf(p.GetCredentials())}
	for _, m := range p.GetStorage() {
		out.Storage = append(out.Storage, mount{m.GetName(), m.GetMount(), m.GetReadOnly()})
	}
	if p.GetPermissions() != nil {
		out.Permissions = &permissions{p.GetPermissions().GetRead()}
	}
	if p.GetTee() != nil {
		out.TEE = &tee{p.GetTee().GetType(), p.GetTee().GetAttestation()}
	}
	return out
}

func credentialsOf(c *sdkv1.ManifestCredentials) *credentials {
	if c == nil {
		return nil
	}
	return &credentials{c.GetHost(), c.GetEmail(), c.GetUsername(), c.GetPassword()}
}

func resourcesOf(r *sdkv1.ManifestResources) resources {
	out := resources{ID: r.GetId(), CPU: unitsOf(r.GetCpu()), GPU: unitsOf(r.GetGpu()), Endpoints: each(r.GetEndpoints(), endpointOf)}
	if m := r.GetMemory(); m != nil {
		out.Memory = &quantity{valueOf(m.GetQuantity()), each(m.GetAttributes(), attributeOf)}
	}
	out.Storage = each(r.GetStorage(), func(v *sdkv1.ManifestVolume) volume {
		return volume{v.GetName(), valueOf(v.GetQuantity()), each(v.GetAttributes(), attributeOf)}
	})
	return out
}

func unitsOf(u *sdkv1.ManifestUnits) *units {
	if u == nil {
		return nil
	}
	return &units{valueOf(u.GetUnits()), each(u.GetAttributes(), attributeOf)}
}

func endpointOf(e *sdkv1.ManifestEndpoint) endpoint {
	return endpoint{e.GetKind(), e.GetSequenceNumber()}
}

func attributeOf(a *sdkv1.ManifestAttribute) attribute { return attribute{a.GetKey(), a.GetValue()} }

// valueOf returns a number; none stands for zero.
func valueOf(v *sdkv1.ManifestValue) value {
	if len(v.GetVal()) == 0 {
		return value{"0"}
	}
	return value{string(v.GetVal())}
}

// each applies f to each element. The result is never nil, which JSON has as null.
func each[A, B any](list []A, f func(A) B) []B {
	out := make([]B, 0, len(list))
	for _, a := range list {
		out = append(out, f(a))
	}
	return out
}
