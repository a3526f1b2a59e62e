package fake

// event is a Kubernetes event of a pod (proto/akash-provider-api.md, section 2.9).
type event struct {
	Type       string      `json:"type"`
	Controller string      `json:"reportingController,omitempty"`
	Instance   string      `json:"reportingInstance,omitempty"`
	Reason     string      `json:"reason"`
	Note       string      `json:"note"`
	Object     eventObject `json:"object"`
}

type eventObject struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// tell records an event of a pod. The caller holds the lock.
func (w *workload) tell(service, pod, kind, reason, note string) {
	e := event{
		Type:       kind,
		Controller: "kubelet",
		Instance:   "node1",
		Reason:     reason,
		Note:       note,
		Object:     eventObject{Kind: "Pod", Namespace: w.lease.namespace(), Name: pod},
	}
	if reason == "Scheduled" {
		// Real clusters omit unknown fields, too.
		e.Controller, e.Instance = "default-scheduler", ""
	}
	w.events = append(w.events, e)
}

// began records the events of a pod that starts. The lock is held, or not needed
// yet.
func (w *workload) began(service, pod string) {
	w.tell(service, pod, "Normal", "Scheduled", "Successfully assigned "+w.lease.namespace()+"/"+pod+" to node1")
	w.tell(service, pod, "Normal", "Pulled", "Container image already present on machine")
	w.tell(service, pod, "Normal", "Created", "Created container: "+service)
	w.tell(service, pod, "Normal", "Started", "Started container "+service)
}

// warn records a warning for a replica of a service.
func (w *workload) warn(service, reason, note string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range w.logs.all() {
		if j.service == service && j.phase() != podGone {
			w.tell(service, j.pod, "Warning", reason, note)
			break
		}
	}
	w.announce()
}

// eventsFrom returns the events from number n on, and a channel that is closed when
// there may be more.
func (w *workload) eventsFrom(n int) ([]event, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[n:len(w.events):len(w.events)], w.changed
}
