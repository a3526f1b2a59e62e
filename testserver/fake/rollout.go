package fake

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Pod identifies a pod and its replica.
type Pod struct {
	Service string `json:"service"`
	Replica int    `json:"replica"`
	Pod     string `json:"pod"`
}

// never is the start time of a pod that does not start.
const never = time.Duration(1<<63 - 1)

// replacement describes the replacement of a pod.
type replacement struct {
	// update makes it part of a rolling update with a new generation. Otherwise the
	// pod is deleted, and Kubernetes starts another one.
	update bool
	// dip is how long the service has one ready pod less. With 0 the new pod runs
	// before the old one ends.
	dip time.Duration
	// starting is how long the creation of the new pod's container takes, if longer.
	starting time.Duration
	// last are the lines that the old pod writes before it ends.
	last []byte
}

// parseStarting parses the time that the creation of a container takes: a duration, or
// true for forever.
func parseStarting(query url.Values) (time.Duration, error) {
	switch text := query.Get("starting"); text {
	case "":
		return 0, nil
	case "true":
		return never, nil
	default:
		return time.ParseDuration(text)
	}
}

// parseReplacement parses a request for a replacement.
func parseReplacement(r *http.Request) (how replacement, err error) {
	query := r.URL.Query()
	if how.starting, err = parseStarting(query); err != nil {
		return how, err
	}
	if text := query.Get("dip"); text != "" {
		if how.dip, err = time.ParseDuration(text); err != nil {
			return how, err
		}
	}
	how.update = query.Get("update") == "true"
	if how.last, err = io.ReadAll(r.Body); err != nil {
		return how, err
	}
	if len(how.last) > 0 && !bytes.HasSuffix(how.last, []byte("\n")) {
		how.last = append(how.last, '\n')
	}
	return how, nil
}

// grow starts another replica of a service, whose container takes a while to create.
func (p *provider) grow(service string, starting time.Duration) (Pod, error) {
	j, err := p.work.grow(service, starting > 0)
	if err != nil {
		return Pod{}, err
	}
	p.after(starting, func() { p.work.started(j) })
	return j.name(), nil
}

// replace replaces a pod.
func (p *provider) replace(old *journal, how replacement) (Pod, error) {
	w := p.work
	if old.phase() != podRunning {
		return Pod{}, fmt.Errorf("pod %s is not running", old.pod)
	}
	starting := max(how.starting, how.dip)
	surge := how.update && how.dip == 0
	if how.update {
		w.update(old.service)
	}
	if !surge {
		w.remove(old, how.last)
	}
	j := w.add(old, starting > 0, surge)
	if surge {
		j.onStarted = func() { w.remove(old, how.last) }
		if starting == 0 {
			j.onStarted()
		}
	}
	p.after(starting, func() { w.started(j) })
	return j.name(), nil
}

// after calls f once d has passed, at once if d is 0.
func (p *provider) after(d time.Duration, f func()) {
	switch d {
	case 0:
		f()
	case never:
	default:
		p.goers.Go(func() {
			if sleep(p.server.ctx, d) {
				f()
			}
		})
	}
}

func (j *journal) name() Pod { return Pod{j.service, j.replica, j.pod} }

// grow starts one more replica of a service.
func (w *workload) grow(name string, starting bool) (*journal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.services {
		s := &w.services[i]
		if s.Name != name {
			continue
		}
		pod := name + "-" + strconv.Itoa(s.Replicas)
		if !s.Stateful {
			// Sorted last, so that the other replicas keep their numbers.
			first := podNames(w.seed, *s)[0]
			pod = fmt.Sprintf("%szz%03d", first[:len(first)-podSuffix], s.Replicas)
		}
		w.logs.keep(keptLine{Service: name, Replica: s.Replicas, Grown: true})
		j := w.begin(name, s.Replicas, pod, starting)
		s.Replicas++
		state := w.states[name]
		state.generation++
		state.total++
		state.updated++
		if !starting {
			state.ready++
		}
		w.announce()
		return j, nil
	}
	return nil, fmt.Errorf("no service %q", name)
}

// begin starts a pod. The caller holds the lock.
func (w *workload) begin(service string, replica int, pod string, starting bool) *journal {
	j := w.logs.add(service, replica, pod)
	if starting {
		j.setStarting(true)
		w.tell(service, pod, "Normal", "Scheduled", "Successfully assigned "+w.lease.namespace()+"/"+pod+" to node1")
		w.tell(service, pod, "Normal", "Pulling", "Pulling image")
		return j
	}
	w.began(service, pod)
	return j
}

// update begins a rolling update of a service, unless one is in progress.
func (w *workload) update(service string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state := w.states[service]; state.updated >= state.total {
		state.generation++
		state.updated = 0
	}
	w.states[service].updated++
	w.announce()
}

// add starts the pod that replaces old, either before or after old ends.
func (w *workload) add(old *journal, starting, surge bool) *journal {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := w.states[old.service]
	state.replaced++
	w.logs.keep(keptLine{Service: old.service, Replica: old.replica, Replaced: true})
	j := w.begin(old.service, old.replica, w.successor(old, state.replaced), starting)
	if surge {
		state.total++
	}
	if !starting {
		state.ready++
	}
	w.announce()
	return j
}

// successor returns the name of the pod that replaces old. In a StatefulSet it is the
// same.
func (w *workload) successor(old *journal, n int) string {
	for _, s := range w.services {
		if s.Name == old.service && s.Stateful {
			return old.pod
		}
	}
	return fmt.Sprintf("%sx%04d", old.pod[:len(old.pod)-podSuffix], n)
}

// started records that a pod's container is running.
func (w *workload) started(j *journal) {
	w.mu.Lock()
	if j.phase() != podStarting {
		w.mu.Unlock()
		return
	}
	if j.onStarted != nil {
		defer j.onStarted()
	}
	defer w.mu.Unlock()
	j.setStarting(false)
	w.states[j.service].ready++
	w.tell(j.service, j.pod, "Normal", "Started", "Started container "+j.service)
	w.logs.announce()
	w.announce()
}

// remove ends a pod, after its last lines.
func (w *workload) remove(j *journal, last []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(last) > 0 {
		j.write(last)
	}
	j.remove()
	state := w.states[j.service]
	state.ready--
	state.total = max(state.total-1, w.wanted(j.service))
	w.tell(j.service, j.pod, "Normal", "Killing", "Stopping container "+j.service)
	w.logs.announce()
	w.announce()
}

// wanted returns how many replicas a service should have. The caller holds the lock.
func (w *workload) wanted(service string) int {
	for _, s := range w.services {
		if s.Name == service {
			return s.Replicas
		}
	}
	return 0
}

// repeat repeats what made a pod.
func (w *workload) repeat(l keptLine) error {
	if l.Grown {
		_, err := w.grow(l.Service, false)
		return err
	}
	old := w.logs.find(l.Service, l.Replica)
	if old == nil {
		return fmt.Errorf("no replica %d of a service %q", l.Replica, l.Service)
	}
	w.remove(old, nil)
	w.add(old, false, false)
	return nil
}
