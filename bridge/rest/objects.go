package rest

import (
	"context"
	"slices"
	"strings"
	"time"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// objectFilter selects the events of one service by the names of their objects. A gateway
// that is asked for a service's events filters by a label that events do not have, and
// sends none (proto/akash-provider-api.md, section 2.9).
//
// The lease's status has the names of the other services, some of which may begin with this
// one's, and the hostnames, which are the names of Ingresses. If a token does not permit to
// read the status, only the form of a name is used.
type objectFilter struct {
	*exchange
	lease   *marketv1.LeaseID
	service string

	topic  *topic[*leaseStatus]
	status *leaseStatus // nil if unknown
	asked  time.Time
	denied bool // the credential does not permit reading the status
}

// selects reports whether the object belongs to the service.
func (f *objectFilter) selects(ctx context.Context, object *webv1.LeaseEventObject) bool {
	kind, name := object.GetKind(), object.GetName()
	if isHost(kind) {
		f.look(ctx)
		return f.status != nil && slices.Contains(f.status.Services[f.service].URIs, name)
	}
	if !fits(kind, name, f.service) {
		return false
	}
	if f.look(ctx); f.status == nil {
		return isUsual(kind, name[len(f.service):])
	}
	for other := range f.status.Services {
		if len(other) > len(f.service) && fits(kind, name, other) {
			return false
		}
	}
	return true
}

// look gets the lease's status, unless that was done a moment ago: services rarely change.
func (f *objectFilter) look(ctx context.Context) {
	if f.denied || !f.asked.IsZero() && time.Since(f.asked) < f.leaseInterval {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, f.statusPatience)
	defer cancel()
	status, err := f.topic.look(ctx, f.leaseInterval, f.asksLease(f.lease))
	f.asked = time.Now()
	if err == nil {
		f.status = status
	}
	f.denied = err != nil && ctx.Err() == nil && isFinal(err)
}

// isHost reports whether objects of the kind are named after a host.
func isHost(kind string) bool { return kind == "Ingress" || kind == "HTTPRoute" }

// fits reports whether an object's name can be of the service: the service's name,
// optionally with a suffix. A volume claim's has the service's name twice:
// <service>-<volume>-<service>-<n>.
func fits(kind, name, service string) bool {
	suffix, ok := strings.CutPrefix(name, service)
	if !ok || suffix != "" && suffix[0] != '-' {
		return false
	}
	if kind != "PersistentVolumeClaim" {
		return true
	}
	claim := strings.TrimRight(suffix, "0123456789")
	return len(claim) < len(suffix) && strings.HasSuffix(claim, "-"+service+"-")
}

// isUsual reports whether Kubernetes or a provider uses the suffix in names of a service's
// objects. It distinguishes web's pods from those of an unknown service web-api.
func isUsual(kind, suffix string) bool {
	parts := strings.Split(suffix, "-")[1:] // none where there is no suffix
	switch kind {
	case "Pod": // <service>-<n> or <service>-<replica set>-<5 characters>
		return len(parts) == 1 && strings.Trim(parts[0], "0123456789") == "" || len(parts) == 2 && len(parts[1]) == 5
	case "ReplicaSet":
		return len(parts) == 1
	case "Service", "Endpoints": // -np for a NodePort
		return suffix == "" || suffix == "-np"
	case "PersistentVolumeClaim":
		return true
	}
	return suffix == ""
}
