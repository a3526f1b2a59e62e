package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
)

// Parse returns the groups of a manifest in JSON. It refuses fields that the messages do
// not have: without them the provider would compute another version than the chain has.
// Its errors continue a sentence about the manifest, and contain no values.
func Parse(text []byte) ([]*sdkv1.ManifestGroup, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var groups []group
	var mismatch *json.UnmarshalTypeError
	switch err := d.Decode(&groups); {
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return nil, fmt.Errorf("has a JSON %s as %s", kind(mismatch.Value), mismatch.Field)
	case errors.As(err, &mismatch):
		return nil, errors.New("is not a JSON array of groups")
	case err != nil:
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return nil, fmt.Errorf("has the field %.100s, which the SDK's messages do not have", name)
		}
		return nil, errors.New("is not JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("is followed by more text")
	}
	var p parser
	out := each(groups, p.group)
	return out, p.err
}

// kind returns a JSON type without the value that the json package adds to it.
func kind(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	return kind
}

// parser converts the JSON's types to messages. err is the first error.
type parser struct {
	err error
	at  string // the service
}

func (p *parser) group(g group) *sdkv1.ManifestGroup {
	return &sdkv1.ManifestGroup{Name: g.Name, Services: each(g.Services, p.service)}
}

func (p *parser) service(s manifestService) *sdkv1.ManifestService {
	p.at = s.Name
	return &sdkv1.ManifestService{
		Name: s.Name, Image: s.Image, Command: s.Command, Args: s.Args, Env: s.Env,
		Resources: p.resources(s.Resources), Count: s.Count, Expose: each(s.Expose, exposeMessage),
		Params: paramsMessage(s.Params), Credentials: credentialsMessage(s.Credentials),
	}
}

func exposeMessage(e expose) *sdkv1.ManifestExpose {
	o := e.HTTPOptions
	return &sdkv1.ManifestExpose{
		Port: e.Port, ExternalPort: e.ExternalPort, Proto: e.Proto, Service: e.Service,
		Global: e.Global, Hosts: e.Hosts, Ip: e.IP, EndpointSequenceNumber: e.EndpointSequenceNumber,
		HttpOptions: &sdkv1.ManifestHTTPOptions{
			MaxBodySize: o.MaxBodySize, ReadTimeout: o.ReadTimeout, SendTimeout: o.SendTimeout,
			NextTries: o.NextTries, NextTimeout: o.NextTimeout, NextCases: o.NextCases, ProxyBufferSize: o.ProxyBufferSize,
		},
	}
}

func paramsMessage(p *params) *sdkv1.ManifestParams {
	if p == nil {
		return nil
	}
	out := &sdkv1.ManifestParams{Credentials: credentialsMessage(p.Credentials)}
	for _, m := range p.Storage {
		out.Storage = append(out.Storage, &sdkv1.ManifestStorageParams{Name: m.Name, Mount: m.Mount, ReadOnly: m.ReadOnly})
	}
	if p.Permissions != nil {
		out.Permissions = &sdkv1.ManifestPermissions{Read: p.Permissions.Read}
	}
	if p.TEE != nil {
		out.Tee = &sdkv1.ManifestTEEParams{Type: p.TEE.Type, Attestation: p.TEE.Attestation}
	}
	return out
}

func credentialsMessage(c *credentials) *sdkv1.ManifestCredentials {
	if c == nil {
		return nil
	}
	return &sdkv1.ManifestCredentials{Host: c.Host, Email: c.Email, Username: c.Username, Password: c.Password}
}

func (p *parser) resources(r resources) *sdkv1.ManifestResources {
	out := &sdkv1.ManifestResources{
		Id: r.ID, Cpu: p.units(r.CPU), Gpu: p.units(r.GPU),
		Storage: each(r.Storage, func(v volume) *sdkv1.ManifestVolume {
			return &sdkv1.ManifestVolume{Name: v.Name, Quantity: p.value(v.Size), Attributes: each(v.Attributes, attributeMessage)}
		}),
		Endpoints: each(r.Endpoints, func(e endpoint) *sdkv1.ManifestEndpoint {
			return &sdkv1.ManifestEndpoint{Kind: e.Kind, SequenceNumber: e.SequenceNumber}
		}),
	}
	if r.Memory != nil {
		out.Memory = &sdkv1.ManifestQuantity{Quantity: p.value(r.Memory.Size), Attributes: each(r.Memory.Attributes, attributeMessage)}
	}
	return out
}

func (p *parser) units(u *units) *sdkv1.ManifestUnits {
	if u == nil {
		return nil
	}
	return &sdkv1.ManifestUnits{Units: p.value(u.Units), Attributes: each(u.Attributes, attributeMessage)}
}

// maxDigits bounds a quantity: the SDK's numbers have 256 bits.
const maxDigits = 78

func (p *parser) value(v value) *sdkv1.ManifestValue {
	if len(v.Val) == 0 || len(v.Val) > maxDigits || strings.Trim(v.Val, "0123456789") != "" {
		p.fail("has a quantity of service %.100q that is not a number in decimal digits")
	}
	return &sdkv1.ManifestValue{Val: []byte(v.Val)}
}

func (p *parser) fail(format string) {
	if p.err == nil {
		p.err = fmt.Errorf(format, p.at)
	}
}

func attributeMessage(a attribute) *sdkv1.ManifestAttribute {
	return &sdkv1.ManifestAttribute{Key: a.Key, Value: a.Value}
}
