package fake

import (
	"net/http"
	"strconv"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// kubeUnreachable is a provider's message if its cluster is unreachable.
const kubeUnreachable = "kube api unreachable: dial tcp 10.43.0.1:443: connect: connection refused"

// leaseHandler handles a route for a lease.
type leaseHandler func(http.ResponseWriter, *http.Request, Lease)

// routeLeases adds the routes that belong to a tenant (proto/akash-provider-api.md, section 2.1).
func (p *provider) routeLeases(routes *http.ServeMux) {
	const lease = "/lease/{dseq}/{gseq}/{oseq}"
	if p.version.attests() {
		routes.HandleFunc("POST "+lease+"/attestation/quote", p.owned(scopeAttestation, p.postQuote))
	}
	for route, one := range map[string]struct {
		scope   string
		handler leaseHandler
	}{
		"PUT /deployment/{dseq}/manifest":                {scopeSendManifest, p.putManifest},
		"GET " + lease + "/manifest":                     {scopeGetManifest, p.getManifest},
		"GET " + lease + "/status":                       {scopeStatus, p.leaseStatus},
		"GET " + lease + "/service/{serviceName}/status": {"", p.serviceStatus},
		"GET " + lease + "/logs":                         {scopeLogs, p.streamed(scopeLogs, p.socketLogs)},
		"GET " + lease + "/kubeevents":                   {scopeEvents, p.streamed(scopeEvents, p.socketEvents)},
		lease + "/shell":                                 {scopeShell, p.shell}, // of any method
	} {
		scope := one.scope
		if scope == scopeLogs || scope == scopeEvents {
			scope = "" // checked after the stream's parameters
		}
		routes.HandleFunc(route, p.owned(scope, one.handler))
	}
	for kind, moved := range map[string]*moves{"hostname": &p.movedHostnames, "endpoint": &p.movedEndpoints} {
		routes.HandleFunc("POST /"+kind+"/migrate", func(w http.ResponseWriter, r *http.Request) { p.migrate(w, r, kind, moved) })
	}
}

// owned calls the handler if the owner of the lease makes the request and the token
// has the scope.
func (p *provider) owned(scope string, handler leaseHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, ok := p.requireOwner(w, r)
		if !ok {
			return
		}
		id := Lease{Owner: who.owner, Provider: p.address()}
		if err := parseLease(r, &id); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if scope != "" && !who.may(id, scope) {
			p.unauthorized(w)
			return
		}
		handler(w, r, id)
	}
}

// requireOwner returns the caller of a request, or refuses it: the caller must be an
// owner with a token for this provider or a certificate.
func (p *provider) requireOwner(w http.ResponseWriter, r *http.Request) (caller, bool) {
	who, refused := p.authenticateRequest(r)
	switch {
	case refused != nil:
		writeRefusal(w, refused)
	case who.owner == "" || !who.reaches(p.address()):
		p.unauthorized(w)
	default:
		return who, true
	}
	return caller{}, false
}

// unauthorized refuses a caller without permission.
func (p *provider) unauthorized(w http.ResponseWriter) {
	writeRefusal(w, &refusal{
		status:  http.StatusUnauthorized,
		message: messageUnauthorized,
		plain:   !p.version.readsTokens(),
	})
}

// parseLease parses the numbers in a path. The path of a deployment has no group.
func parseLease(r *http.Request, id *Lease) error {
	var err error
	if id.DSeq, err = strconv.ParseUint(r.PathValue("dseq"), 10, 64); err != nil {
		return err
	}
	for name, into := range map[string]*uint32{"gseq": &id.GSeq, "oseq": &id.OSeq} {
		text := r.PathValue(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return err
		}
		*into = uint32(n)
	}
	return nil
}

// writeClusterError answers with a cluster error in this release's form.
func (p *provider) writeClusterError(w http.ResponseWriter, status int, message string) {
	if !p.version.plainErrors() {
		status = http.StatusInternalServerError
	}
	http.Error(w, message, status)
}

// hasLease reports whether the provider has a lease. It answers the request if that is
// unknown.
func (p *provider) hasLease(w http.ResponseWriter, id Lease) (held, answered bool) {
	if p.faults.has(FaultKubeDown) {
		p.writeClusterError(w, http.StatusServiceUnavailable, kubeUnreachable)
		return false, true
	}
	return id == p.work.lease, false
}

// leaseStatusJSON is a lease's status (proto/akash-provider-api.md, section 2.4).
type leaseStatusJSON struct {
	Services map[string]serviceStatusJSON     `json:"services"`
	Ports    map[string][]forwardedPortJSON   `json:"forwarded_ports"`
	IPs      map[string][]struct{ IP string } `json:"ips"`
}

// serviceStatusJSON is a service's status. It is in snake case, unlike its ports.
type serviceStatusJSON struct {
	Name               string   `json:"name"`
	Available          int32    `json:"available"`
	Total              int32    `json:"total"`
	URIs               []string `json:"uris"`
	ObservedGeneration int64    `json:"observed_generation"`
	Replicas           int32    `json:"replicas"`
	UpdatedReplicas    int32    `json:"updated_replicas"`
	ReadyReplicas      int32    `json:"ready_replicas"`
	AvailableReplicas  int32    `json:"available_replicas"`
}

type forwardedPortJSON struct {
	Host         string `json:"host"`
	Port         uint32 `json:"port"`
	ExternalPort uint32 `json:"externalPort"`
	Proto        string `json:"proto"`
	Name         string `json:"name"`
}

func serviceJSON(s *leasev1.ServiceStatus) serviceStatusJSON {
	status := s.GetStatus()
	return serviceStatusJSON{
		Name:               s.GetName(),
		Available:          status.GetAvailable(),
		Total:              status.GetTotal(),
		URIs:               status.GetUris(),
		ObservedGeneration: status.GetObservedGeneration(),
		Replicas:           status.GetReplicas(),
		UpdatedReplicas:    status.GetUpdatedReplicas(),
		ReadyReplicas:      status.GetReadyReplicas(),
		AvailableReplicas:  status.GetAvailableReplicas(),
	}
}

// leaseStatus handles the status of a lease. For an unknown one it answers 404 without
// a body.
func (p *provider) leaseStatus(w http.ResponseWriter, _ *http.Request, id Lease) {
	held, answered := p.hasLease(w, id)
	if answered {
		return
	}
	if !held {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	services, _ := p.work.status(func(Service) bool { return true })
	answer := leaseStatusJSON{
		Services: map[string]serviceStatusJSON{},
		Ports:    map[string][]forwardedPortJSON{},
	}
	for _, s := range services {
		answer.Services[s.GetName()] = serviceJSON(s)
		for _, port := range s.GetPorts() {
			answer.Ports[s.GetName()] = append(answer.Ports[s.GetName()], forwardedPortJSON{
				Host:         port.GetHost(),
				Port:         port.GetPort(),
				ExternalPort: port.GetExternalPort(),
				Proto:        port.GetProto(),
				Name:         port.GetName(),
			})
		}
	}
	if len(answer.Ports) == 0 {
		answer.Ports = nil
	}
	p.writeJSON(w, answer)
}

// serviceStatus handles the status of a service. Like the gateway, it requires no
// scope, and lists the URIs of all services if the service has any.
func (p *provider) serviceStatus(w http.ResponseWriter, r *http.Request, id Lease) {
	held, answered := p.hasLease(w, id)
	if answered {
		return
	}
	if !held {
		p.writeClusterError(w, http.StatusNotFound, "kube: no deployments for lease")
		return
	}
	name := r.PathValue("serviceName")
	services, _ := p.work.status(func(s Service) bool { return s.Name == name })
	if len(services) == 0 {
		p.writeClusterError(w, http.StatusNotFound, noService)
		return
	}
	answer := serviceJSON(services[0])
	if len(answer.URIs) > 0 {
		answer.URIs = nil
		all, _ := p.work.status(func(Service) bool { return true })
		for _, s := range all {
			answer.URIs = append(answer.URIs, s.GetStatus().GetUris()...)
		}
	}
	p.writeJSON(w, answer)
}
