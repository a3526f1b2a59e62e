package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"runtime"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"akash-provider-web/bridge/rpcerror"
	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/proto/k8s/io/apimachinery/pkg/api/resource"
)

// Limits of the lists in a status, far above the largest clusters.
const (
	maxNodes          = 5_000
	maxReservations   = 10_000
	maxStorageClasses = 1_000
)

// largeStatus is the size, in bytes, from which statuses are decoded by half of the
// processors only, so that others' calls do not wait. The status of a large cluster has a
// few hundred kilobytes.
const largeStatus = 256 << 10

// decoding holds a place for each large status that is being decoded.
var decoding = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))

// A large status is used for keepFactor times as long as it took to decode, up to maxKeep:
// one provider's take a twentieth of a processor at most, however many ask for it.
const (
	keepFactor = 20
	maxKeep    = 2 * time.Second
	maxKept    = 16 // statuses
)

// keptStatuses has the large statuses that are still used.
type keptStatuses struct {
	mu sync.Mutex
	of map[topicKey]keptStatus
}

type keptStatus struct {
	status  *providerv1.Status // not to be changed
	message []byte             // status, encoded
	until   time.Time
}

// encoded returns a status as a message if it is one that is still used, or nil.
func (k *keptStatuses) encoded(key topicKey, status *providerv1.Status) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if kept := k.of[key]; kept.status == status {
		return kept.message
	}
	return nil
}

// get returns a status that is still used, or nil.
func (k *keptStatuses) get(key topicKey) *providerv1.Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	if kept, ok := k.of[key]; ok && time.Now().Before(kept.until) {
		return kept.status
	}
	return nil
}

// keep has a status used that took so long to decode.
func (k *keptStatuses) keep(key topicKey, status *providerv1.Status, took time.Duration) {
	message, err := proto.Marshal(status)
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of = make(map[topicKey]keptStatus)
	}
	if _, ok := k.of[key]; !ok && len(k.of) >= maxKept {
		return
	}
	length := min(keepFactor*took, maxKeep)
	kept := keptStatus{status, message, time.Now().Add(length)}
	k.of[key] = kept
	time.AfterFunc(length, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.of[key].status == status {
			delete(k.of, key)
		}
	})
}

// getStatus answers ProviderRPC/GetStatus.
func getStatus(ctx context.Context, x *exchange) error {
	status, err := x.status(ctx)
	if err != nil {
		return err
	}
	if message := x.large.encoded(x.topic("/status", scopeNone), status); message != nil {
		return x.send(message)
	}
	return x.reply(status)
}

// streamStatus answers ProviderRPC/StreamStatus: it sends the status at once, and again
// whenever a poll finds that more than the time has changed.
func streamStatus(ctx context.Context, x *exchange) error {
	topic, leave := x.statuses.watch(x.topic("/status", scopeNone))
	defer leave()
	var last *providerv1.Status
	poll := poll{interval: x.statusInterval}
	for {
		status, err := topic.look(ctx, x.statusInterval/2, x.status)
		if err = poll.result(err); err != nil {
			return err
		}
		if status != nil && (last == nil || !sameStatus(last, status)) {
			if err := x.reply(status); err != nil {
				return err
			}
			last = status
		}
		if err := poll.wait(ctx); err != nil {
			return err
		}
	}
}

// sameStatus reports whether two statuses are equal except for their time.
func sameStatus(a, b *providerv1.Status) bool {
	return proto.Equal(timeless(a), timeless(b))
}

// timeless returns a shallow copy of s without its time.
func timeless(s *providerv1.Status) *providerv1.Status {
	return &providerv1.Status{
		Errors:            s.GetErrors(),
		Cluster:           s.GetCluster(),
		BidEngine:         s.GetBidEngine(),
		Manifest:          s.GetManifest(),
		PublicHostnames:   s.GetPublicHostnames(),
		ReclamationWindow: s.GetReclamationWindow(),
	}
}

// status gets the provider's current status.
func (x *exchange) status(ctx context.Context) (*providerv1.Status, error) {
	key := x.topic("/status", scopeNone)
	if kept := x.large.get(key); kept != nil {
		return kept, nil
	}
	var status *providerv1.Status
	err := x.getJSON(ctx, route{path: "/status"}, "its status", statusLimits, func(body []byte) (err error) {
		if len(body) > largeStatus {
			select {
			case decoding <- struct{}{}:
				defer func() { <-decoding }()
			case <-ctx.Done():
				return ctx.Err()
			}
			if status = x.large.get(key); status != nil {
				return nil // another call was faster
			}
		}
		began := time.Now()
		if status, err = decodeStatus(body, x.call.Provider); err != nil {
			return err
		}
		status.Timestamp = timestamppb.New(time.Now())
		if len(body) > largeStatus {
			x.large.keep(key, status, time.Since(began))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return status, nil
}

// statusBody is a /status response of any provider (proto/akash-provider-api.md, section
// 2.3). verification_inventory is left out: gRPC's Status does not have it, and
// InventoryService returns the snapshot that it describes.
type statusBody struct {
	Cluster *struct {
		Leases    amount `json:"leases"`
		Inventory *struct {
			Active    reservations    `json:"active"`
			Pending   reservations    `json:"pending"`
			Available available       `json:"available"`
			Error     json.RawMessage `json:"error"`
		} `json:"inventory"`
	} `json:"cluster"`
	BidEngine *struct {
		Orders amount `json:"orders"`
	} `json:"bidengine"`
	Manifest *struct {
		Deployments amount `json:"deployments"`
	} `json:"manifest"`
	PublicHostname    string `json:"cluster_public_hostname"`
	ReclamationWindow amount `json:"reclamation_window"` // ns
	Address           string `json:"address"`
}

// decodeStatus converts a /status response to the message that a provider with gRPC would
// have sent. Quantities have the same form: processors in cores ("63900m"), everything else
// in bytes or whole devices. A resource that a node does not have is zero: providers
// without GPU support have none to lease.
//
// If only the free amount is known, as for nodes of a provider before v0.5.0 and for every
// storage class, allocatable is the free amount and allocated is absent. In both cases,
// free is allocatable minus allocated, and an absent allocated distinguishes unknown from
// unused.
//
// An invalid field is left out and named in Errors. An impossible amount is named there,
// too, with the value used instead. An empty inventory with an error is one that the
// provider does not know, so it is left out.
func decodeStatus(body []byte, provider string) (*providerv1.Status, error) {
	var b statusBody
	var notes []string
	if err := json.Unmarshal(body, &b); err != nil {
		// A value of the wrong type is skipped, and the rest decoded.
		var mismatch *json.UnmarshalTypeError
		if !errors.As(err, &mismatch) || mismatch.Field == "" {
			return nil, rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "its status is not a JSON object")
		}
		notes = append(notes, strange(mismatch.Field))
	}
	if b.Cluster == nil && b.BidEngine == nil && b.Manifest == nil && b.Address == "" {
		return nil, rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "its status holds nothing that a status has")
	}
	if b.Address != "" && provider != "" && b.Address != provider {
		notes = append(notes, "bridge: the host says that it is "+words([]byte(b.Address)))
	}

	var s providerv1.Status
	note := func(field string, a amount) {
		if a.strange {
			notes = append(notes, strange(field))
		}
	}
	count := func(field string, a amount) uint32 {
		note(field, a)
		n := a.uint32()
		if a.n != nil && (!a.n.IsUint64() || a.n.Uint64() != uint64(n)) {
			notes = append(notes, impossible(field, a, strconv.FormatUint(uint64(n), 10)))
		}
		return n
	}
	if c := b.Cluster; c != nil {
		s.Cluster = &providerv1.ClusterStatus{Leases: &providerv1.Leases{Active: count("cluster.leases", c.Leases)}}
		if i := c.Inventory; i != nil && isPresent(i.Error) {
			notes = append(notes, "the provider reports an error of its inventory"+said(errorText(i.Error)))
			if len(i.Available.nodes)+len(i.Available.storage) == 0 {
				notes = append(notes, "bridge: the provider's inventory is not known, as it is until the provider has looked at its cluster")
				c.Inventory = nil
			}
		}
		if i := c.Inventory; i != nil {
			notes = append(notes, i.Active.notes("cluster.inventory.active")...)
			notes = append(notes, i.Pending.notes("cluster.inventory.pending")...)
			if i.Available.strange {
				notes = append(notes, strange("cluster.inventory.available"))
			}
			notes = append(notes, i.Available.repairs.list()...)
			s.Cluster.Inventory = &providerv1.Inventory{
				Cluster: &inventoryv1.Cluster{Nodes: i.Available.nodes, Storage: i.Available.storage},
				Reservations: &providerv1.Reservations{
					Active:  i.Active.metric(),
					Pending: i.Pending.metric(),
				},
			}
		}
	}
	if e := b.BidEngine; e != nil {
		s.BidEngine = &providerv1.BidEngineStatus{Orders: count("bidengine.orders", e.Orders)}
	}
	if m := b.Manifest; m != nil {
		s.Manifest = &providerv1.ManifestStatus{Deployments: count("manifest.deployments", m.Deployments)}
	}
	if b.PublicHostname != "" {
		s.PublicHostnames = []string{b.PublicHostname}
	}
	note("reclamation_window", b.ReclamationWindow)
	if w := b.ReclamationWindow; w.n != nil {
		ns := int64(math.MaxInt64)
		if w.n.IsInt64() {
			ns = max(w.n.Int64(), 0)
		}
		if w.n.Cmp(big.NewInt(ns)) != 0 {
			notes = append(notes, impossible("reclamation_window", w, strconv.FormatInt(ns, 10)))
		}
		s.ReclamationWindow = durationpb.New(time.Duration(ns))
	}
	s.Errors = notes
	return &s, nil
}

// strange returns the message about a field that could not be decoded.
func strange(field string) string {
	return "bridge: " + words([]byte(field)) + " in the provider's status makes no sense"
}

// impossible returns the message about an impossible amount, with the value used instead.
func impossible(what string, given amount, taken string) string {
	return fmt.Sprintf("bridge: %s cannot be %s in the provider's status; taken as %s", words([]byte(what)), given.n, taken)
}

// maxRepairs limits the messages about the amounts of one inventory.
const maxRepairs = 20

// repairs are messages about impossible amounts.
type repairs struct {
	notes []string
	more  int
}

func (r *repairs) add(what string, given amount, taken *big.Int) {
	if len(r.notes) == maxRepairs {
		r.more++
		return
	}
	r.notes = append(r.notes, impossible(what, given, taken.String()))
}

func (r *repairs) list() []string {
	if r.more == 0 {
		return r.notes
	}
	return append(r.notes, fmt.Sprintf("bridge: %d more amounts in the provider's status cannot be", r.more))
}

// bounded returns an amount between 0 and most; without most, up to the maximum of a
// Kubernetes quantity. A larger value is a negative number that a provider wrote as an
// unsigned one, for example because more is in use than exists: it becomes 0.
func (r *repairs) bounded(what func() string, given amount, most *big.Int) *big.Int {
	n := given.value()
	switch {
	case n.Sign() < 0, !n.IsInt64():
		n = new(big.Int)
	case most != nil && n.Cmp(most) > 0:
		n = most
	default:
		return n
	}
	r.add(what(), given, n)
	return n
}

// errorText returns the message of an error that a provider encoded as JSON: a string, or
// the message of an object; "" if it has none, like most of Go's errors.
func errorText(data json.RawMessage) string {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return words([]byte(text))
	}
	var object struct {
		Message   string `json:"message"`
		Err       json.RawMessage
		ErrStatus struct {
			Message string `json:"message"`
		}
	}
	if json.Unmarshal(data, &object) != nil {
		return ""
	}
	if json.Unmarshal(object.Err, &text) != nil {
		text = ""
	}
	return words([]byte(cmp.Or(object.Message, object.ErrStatus.Message, text)))
}

// resources are the amounts of a node or of a reservation.
type resources struct {
	CPU     amount  `json:"cpu"` // millicores
	GPU     amount  `json:"gpu"`
	Memory  amount  `json:"memory"`            // bytes
	Disk    *amount `json:"storage_ephemeral"` // bytes
	Storage storage `json:"storage"`
}

// ephemeral returns the ephemeral storage, which the first providers called storage.
func (r *resources) ephemeral() amount {
	if r.Disk != nil {
		return *r.Disk
	}
	return r.Storage.single
}

// strange reports whether any amount was invalid.
func (r *resources) strange() bool {
	return r.CPU.strange || r.GPU.strange || r.Memory.strange || r.ephemeral().strange || r.Storage.strange
}

// storage is bytes by storage class, or a single amount of ephemeral storage.
type storage struct {
	classes map[string]amount
	single  amount
	strange bool
}

// UnmarshalJSON decodes both forms and never fails. An object whose only key is size is the
// single amount if its value is also an object, {"size":{"val":"1"}}; otherwise it is a
// class of that name.
func (s *storage) UnmarshalJSON(data []byte) error {
	*s = storage{}
	if data[0] != '{' {
		s.single = amount{}
		return s.single.UnmarshalJSON(data)
	}
	var nested struct {
		Size *struct {
			Val *json.RawMessage `json:"val"`
		} `json:"size"`
	}
	// Most have no key with the letters of size.
	if bytes.ContainsAny(data, `zZ\`) && json.Unmarshal(data, &nested) == nil && nested.Size != nil && nested.Size.Val != nil {
		return s.single.UnmarshalJSON(data)
	}
	s.strange = json.Unmarshal(data, &s.classes) != nil
	return nil
}

// reservations sums a list of reservations while it is decoded, so that a long list needs
// no memory.
type reservations struct {
	count                  uint32
	cpu, gpu, memory, disk big.Int
	classes                map[string]*big.Int
	strange                bool
	repairs                repairs
}

// UnmarshalJSON decodes the list and never fails.
func (r *reservations) UnmarshalJSON(data []byte) error {
	*r = reservations{}
	if string(data) == "null" {
		return nil
	}
	r.strange = !elements(data, maxReservations, r.add) || r.strange
	return nil
}

func (r *reservations) add(element []byte) {
	var one resources
	if json.Unmarshal(element, &one) != nil || one.strange() {
		r.strange = true
	}
	r.count++
	r.sum(&r.cpu, "cpu", one.CPU)
	r.sum(&r.gpu, "gpu", one.GPU)
	r.sum(&r.memory, "memory", one.Memory)
	r.sum(&r.disk, "storage_ephemeral", one.ephemeral())
	for class, size := range one.Storage.classes {
		sum := r.classes[class]
		if sum == nil {
			if len(r.classes) == maxStorageClasses {
				r.strange = true
				continue
			}
			if r.classes == nil {
				r.classes = make(map[string]*big.Int)
			}
			sum = new(big.Int)
			r.classes[class] = sum
		}
		r.sum(sum, "storage "+class, size)
		r.strange = r.strange || size.strange
	}
}

// sum adds one reservation's amount of a resource. The only limit is that it must not be
// negative.
func (r *reservations) sum(to *big.Int, resource string, a amount) {
	n := a.value()
	if n.Sign() < 0 {
		r.repairs.add(fmt.Sprintf("reservation %d: %s", r.count, resource), a, new(big.Int))
		return
	}
	to.Add(to, n)
}

func (r *reservations) notes(field string) []string {
	var notes []string
	if r.strange {
		notes = append(notes, strange(field))
	}
	return append(notes, r.repairs.list()...)
}

func (r *reservations) metric() *providerv1.ReservationsMetric {
	m := &providerv1.ReservationsMetric{
		Count: r.count,
		Resources: &providerv1.ResourcesMetric{
			Cpu:              milli(&r.cpu),
			Memory:           whole(&r.memory),
			Gpu:              whole(&r.gpu),
			EphemeralStorage: whole(&r.disk),
		},
	}
	if len(r.classes) > 0 {
		m.Resources.Storage = make(map[string]*resource.Quantity, len(r.classes))
		for class, sum := range r.classes {
			m.Resources.Storage[class] = whole(sum)
		}
	}
	return m
}

// available is the inventory: {"nodes":[…],"storage":[…]}, or only the list of
// nodes with the first providers.
type available struct {
	nodes   []*inventoryv1.Node
	storage []*inventoryv1.Storage
	strange bool
	repairs repairs
}

// UnmarshalJSON decodes both forms and never fails.
func (a *available) UnmarshalJSON(data []byte) error {
	*a = available{}
	var parts struct {
		Nodes   json.RawMessage `json:"nodes"`
		Storage json.RawMessage `json:"storage"`
	}
	switch {
	case string(data) == "null":
		return nil
	case data[0] == '[':
		parts.Nodes = data
	default:
		a.strange = json.Unmarshal(data, &parts) != nil
	}
	if isPresent(parts.Nodes) {
		a.strange = !elements(parts.Nodes, maxNodes, a.addNode) || a.strange
	}
	if isPresent(parts.Storage) {
		a.strange = !elements(parts.Storage, maxStorageClasses, a.addStorage) || a.strange
	}
	return nil
}

func isPresent(m json.RawMessage) bool { return len(m) > 0 && string(m) != "null" }

// addNode adds a node in either form: the free amounts themselves, or allocatable and
// available amounts.
func (a *available) addNode(element []byte) {
	var n struct {
		Name        string     `json:"name"`
		Allocatable *resources `json:"allocatable"`
		Available   *resources `json:"available"`
		resources
	}
	if json.Unmarshal(element, &n) != nil {
		a.strange = true
	}
	total, free := n.Allocatable, n.Available
	switch {
	case total == nil && free == nil:
		total = &n.resources
	case total == nil:
		total, free = free, nil
	}
	a.strange = a.strange || total.strange() || free != nil && free.strange()
	pair := func(name string, quantity func(*big.Int) *resource.Quantity, of func(*resources) amount) *inventoryv1.ResourcePair {
		what := func(which string) func() string {
			return func() string {
				return fmt.Sprintf("node %s: %s %s", cmp.Or(n.Name, strconv.Itoa(len(a.nodes)+1)), which, name)
			}
		}
		if free == nil {
			// The allocated amount is unknown.
			return &inventoryv1.ResourcePair{Allocatable: quantity(a.repairs.bounded(what("available"), of(total), nil))}
		}
		all := a.repairs.bounded(what("allocatable"), of(total), nil)
		left := a.repairs.bounded(what("available"), of(free), all)
		return &inventoryv1.ResourcePair{Allocatable: quantity(all), Allocated: quantity(new(big.Int).Sub(all, left))}
	}
	a.nodes = append(a.nodes, &inventoryv1.Node{
		Name: n.Name,
		Resources: &inventoryv1.NodeResources{
			Cpu:              &inventoryv1.CPU{Quantity: pair("cpu", milli, func(r *resources) amount { return r.CPU })},
			Memory:           &inventoryv1.Memory{Quantity: pair("memory", whole, func(r *resources) amount { return r.Memory })},
			Gpu:              &inventoryv1.GPU{Quantity: pair("gpu", whole, func(r *resources) amount { return r.GPU })},
			EphemeralStorage: pair("storage_ephemeral", whole, (*resources).ephemeral),
		},
	})
}

func (a *available) addStorage(element []byte) {
	var s struct {
		Class string `json:"class"`
		Size  amount `json:"size"`
	}
	a.strange = json.Unmarshal(element, &s) != nil || s.Size.strange || a.strange
	a.storage = append(a.storage, &inventoryv1.Storage{
		Quantity: &inventoryv1.ResourcePair{Allocatable: whole(a.repairs.bounded(func() string { return "storage " + s.Class + ": available" }, s.Size, nil))},
		Info:     &inventoryv1.StorageInfo{Class: s.Class},
	})
}
