package message

// ServiceStatusResponse is akash.provider.lease.v1.ServiceStatusResponse.
var ServiceStatusResponse = &Table{
	{Number: 1, Name: "services", Kind: Message, Label: Repeated, Table: &Table{
		{Number: 1, Name: "name"},
		{Number: 2, Name: "status", Kind: Message, Table: &Table{
			{Number: 1, Name: "available", Kind: Int32},
			{Number: 2, Name: "total", Kind: Int32},
			{Number: 3, Name: "uris", Label: Repeated},
			{Number: 4, Name: "observedGeneration", Kind: Int64},
			{Number: 5, Name: "replicas", Kind: Int32},
			{Number: 6, Name: "updatedReplicas", Kind: Int32},
			{Number: 7, Name: "readyReplicas", Kind: Int32},
			{Number: 8, Name: "availableReplicas", Kind: Int32},
		}},
		{Number: 3, Name: "ports", Kind: Message, Label: Repeated, Table: &Table{
			{Number: 1, Name: "host"},
			{Number: 2, Name: "port", Kind: Uint32},
			{Number: 3, Name: "externalPort", Kind: Uint32},
			{Number: 4, Name: "proto"},
			{Number: 5, Name: "name"},
		}},
		{Number: 4, Name: "ips", Kind: Message, Label: Repeated, Table: &Table{
			{Number: 1, Name: "port", Kind: Uint32},
			{Number: 2, Name: "externalPort", Kind: Uint32},
			{Number: 3, Name: "protocol"},
			{Number: 4, Name: "ip"},
		}},
	}},
}

// ServiceRestartResponse is akash.provider.lease.v1.ServiceRestartResponse.
var ServiceRestartResponse = &Table{
	{Number: 1, Name: "status", Kind: Message, Label: Repeated, Table: &Table{
		{Number: 1, Name: "service"},
		{Number: 2, Name: "replica"},
		{Number: 3, Name: "state", Kind: Enum, Names: []string{"pending", "active", "failure"}},
		{Number: 4, Name: "message", Label: Optional},
	}},
}

// SendManifestResponse is akash.provider.web.v1.SendManifestResponse.
var SendManifestResponse = &Table{}

// GetManifestResponse is akash.provider.web.v1.GetManifestResponse.
var GetManifestResponse = &Table{
	{Number: 1, Name: "manifest"},
}

// MigrateResponse is akash.provider.web.v1.HostnameMigrateResponse and
// EndpointMigrateResponse, which have the same field.
var MigrateResponse = &Table{
	{Number: 1, Name: "transferred", Label: Repeated},
}

// AttestationQuoteResponse is akash.provider.web.v1.AttestationQuoteResponse.
var AttestationQuoteResponse = &Table{
	{Number: 1, Name: "report"},
	{Number: 2, Name: "certChain"},
	{Number: 3, Name: "teePlatform"},
	{Number: 4, Name: "auxblob"},
	{Number: 5, Name: "gpuReports", Kind: Message, Label: Repeated, Table: &Table{
		{Number: 1, Name: "deviceIndex", Kind: Uint32},
		{Number: 2, Name: "report"},
	}},
	{Number: 6, Name: "tlsBound", Kind: Uint32},
}

// ListLeasesResponse is akash.provider.web.v1.ListLeasesResponse. Its leases cross in base64,
// and npm/src/leases.ts decodes them, which costs the module nothing.
var ListLeasesResponse = &Table{
	{Number: 1, Name: "leases", Kind: Bytes, Label: Repeated},
	{Number: 2, Name: "more", Kind: Uint32},
	{Number: 3, Name: "completeness"},
	{Number: 4, Name: "height", Kind: Int64},
}

// ListProvidersResponse is akash.provider.web.v1.ListProvidersResponse.
var ListProvidersResponse = &Table{
	{Number: 1, Name: "providers", Label: Repeated},
	{Number: 2, Name: "height", Kind: Int64},
}

// LeaseEvent is akash.provider.web.v1.LeaseEvent.
var LeaseEvent = &Table{
	{Number: 1, Name: "type"},
	{Number: 2, Name: "reason"},
	{Number: 3, Name: "note"},
	{Number: 4, Name: "object", Kind: Message, Table: &Table{
		{Number: 1, Name: "kind"},
		{Number: 2, Name: "namespace"},
		{Number: 3, Name: "name"},
	}},
	{Number: 5, Name: "reportingController"},
	{Number: 6, Name: "reportingInstance"},
}

// A LeaseID identifies a lease (akash.market.v1.LeaseID).
type LeaseID struct {
	Owner            string
	DSeq             uint64
	GSeq, OSeq, BSeq uint32
	Provider         string
}

func (id *LeaseID) append(b []byte) []byte {
	b = appendString(b, 1, id.Owner)
	b = appendUint(b, 2, id.DSeq)
	b = appendUint(b, 3, uint64(id.GSeq))
	b = appendUint(b, 4, uint64(id.OSeq))
	b = appendString(b, 5, id.Provider)
	return appendUint(b, 6, uint64(id.BSeq))
}

// A ServiceFilter selects services by name and replicas by index. The zero value
// selects all.
type ServiceFilter struct {
	Name     string
	Replicas []uint32
}

func (f *ServiceFilter) append(b []byte) []byte {
	b = appendString(b, 1, f.Name)
	if len(f.Replicas) == 0 {
		return b
	}
	var packed []byte
	for _, replica := range f.Replicas {
		packed = appendUvarint(packed, uint64(replica))
	}
	return appendMessage(b, 2, packed)
}

// A LeaseRequest has the fields of all requests of LeaseRPC and LeaseREST. In each,
// field 1 is the lease; the other fields follow.
type LeaseRequest struct {
	Lease  LeaseID
	Filter ServiceFilter
	// Follow makes ServiceLogs, ServiceStatus and StreamLeaseEvents continue with new
	// data.
	Follow bool
	// Timeout is how long ServiceRestart waits until the services run again, in
	// milliseconds; 0 does not wait.
	Timeout uint64
	// Manifest is the JSON that SendManifest sends.
	Manifest string
	// Names are the hostnames or endpoints that are moved, with commas between them, the
	// nonce of an attestation in base64, that of an inventory in hexadecimal, or the state of
	// the leases to list.
	Names string
	// Command is what a shell runs, its parts one after the other: each ends with a
	// byte 1, and a byte 2 in it makes the next one less by one.
	Command string
	// TTY and Stdin give the process of a shell a terminal, and standard input.
	TTY, Stdin bool
	// Window is how much of the output of a shell may be sent and not be used.
	Window uint32
	// Known are replicas whose numbers ServiceLogs must keep.
	Known []KnownReplica
}

// A KnownReplica assigns a replica's number to a pod's name
// (akash.provider.lease.v1.KnownReplica).
type KnownReplica struct {
	Pod     string
	Replica uint32
}

// fieldExtra is the number of fields that extend AEP-37: the pod in ServiceLogs, and
// the known replicas in ServiceLogsRequest.
const fieldExtra = 1000

// AppendFollow appends a ServiceLogsRequest or a ServiceStatusRequest, which have the
// same fields.
func (r *LeaseRequest) AppendFollow(b []byte) []byte {
	b = appendBool(r.appendTarget(b), 3, r.Follow)
	for i := range r.Known {
		known := appendString(nil, 1, r.Known[i].Pod)
		b = appendMessage(b, fieldExtra, appendUint(known, 2, uint64(r.Known[i].Replica)))
	}
	return b
}

// AppendRestart appends a ServiceRestartRequest.
func (r *LeaseRequest) AppendRestart(b []byte) []byte {
	duration := appendUint(nil, 1, r.Timeout/1000)
	duration = appendUint(duration, 2, r.Timeout%1000*1e6)
	return appendMessage(r.appendTarget(b), 3, duration)
}

// AppendManifest appends a SendManifestRequest.
func (r *LeaseRequest) AppendManifest(b []byte) []byte {
	return appendString(r.AppendLease(b), 2, r.Manifest)
}

// AppendEvents appends a StreamLeaseEventsRequest.
func (r *LeaseRequest) AppendEvents(b []byte) []byte {
	return appendBool(appendString(r.AppendLease(b), 2, r.Filter.Name), 3, r.Follow)
}

// AppendNames appends a HostnameMigrateRequest, an EndpointMigrateRequest, or an
// AttestationQuoteRequest, whose bind_tls is Follow.
func (r *LeaseRequest) AppendNames(b []byte) []byte {
	b = r.AppendLease(b)
	for start, i := 0, 0; i <= len(r.Names); i++ {
		if i == len(r.Names) || r.Names[i] == ',' {
			b = appendString(b, 2, r.Names[start:i])
			start = i + 1
		}
	}
	return appendBool(b, 3, r.Follow)
}

// AppendOwner appends a ListLeasesRequest.
func (r *LeaseRequest) AppendOwner(b []byte) []byte {
	return appendString(appendString(b, 1, r.Lease.Owner), 2, r.Names)
}

// AppendShell appends a ShellRequest that starts a process.
func (r *LeaseRequest) AppendShell(b []byte) []byte {
	start := appendString(r.AppendLease(nil), 2, r.Filter.Name)
	for _, replica := range r.Filter.Replicas {
		start = appendUint(start, 3, uint64(replica))
	}
	var part []byte
	for i := 0; i < len(r.Command); i++ {
		switch c := r.Command[i]; c {
		case 1:
			start = appendMessage(start, 4, part)
			part = part[:0]
		case 2:
			i++
			part = append(part, r.Command[i]-1)
		default:
			part = append(part, c)
		}
	}
	start = appendBool(start, 5, r.TTY)
	start = appendBool(start, 6, r.Stdin)
	return appendMessage(b, 1, appendUint(start, 7, uint64(r.Window)))
}

// The kinds of a ShellResponse, which are its fields' numbers.
const (
	ShellStdout = 1
	ShellStderr = 2
	ShellResult = 3
	ShellTaken  = 4
)

// ReadShell decodes a ShellResponse: output, or the result's message; and how much was
// taken, or the exit code. Kind is 0 for one that says nothing.
func ReadShell(response []byte) (kind, number uint32, text []byte, err error) {
	f := fields{rest: response}
	for f.next() {
		switch {
		case f.is(ShellStdout, wireBytes), f.is(ShellStderr, wireBytes):
			kind, text = f.number, f.bytes
		case f.is(ShellTaken, wireVarint):
			kind, number = ShellTaken, uint32(f.varint)
		case f.is(ShellResult, wireBytes):
			kind, number, text = ShellResult, 0, nil
			result := fields{rest: f.bytes}
			for result.next() {
				switch {
				case result.is(1, wireVarint):
					number = uint32(result.varint)
				case result.is(2, wireBytes):
					text = result.bytes
				}
			}
			f.bad = f.bad || result.bad
		}
	}
	if f.bad {
		err = ErrMalformed
	}
	return kind, number, text, err
}

// AppendLease appends a GetManifestRequest, whose only field is the lease.
func (r *LeaseRequest) AppendLease(b []byte) []byte {
	return appendMessage(b, 1, r.Lease.append(nil))
}

func (r *LeaseRequest) appendTarget(b []byte) []byte {
	return appendMessage(r.AppendLease(b), 2, r.Filter.append(nil))
}

// LogPieces iterates over the pieces of logs in a ServiceLogsResponse. A piece is part
// of one replica's log (akash.provider.lease.v1.ServiceLogs), and may begin and end
// within a line. It allocates nothing; its slices point into the message.
type LogPieces struct {
	Service []byte
	Replica uint32
	Log     []byte
	// Pod is the name of the pod whose log begins here, if it is given.
	Pod []byte

	rest []byte
	err  error
}

// Reset starts iterating over a message.
func (p *LogPieces) Reset(response []byte) { p.rest, p.err = response, nil }

// Next advances to the next piece. It returns false after the last one, and if the
// message is malformed.
func (p *LogPieces) Next() bool {
	for len(p.rest) > 0 {
		outer := fields{rest: p.rest}
		// Decoding the common form without a function call saves a third of the cost
		// per line.
		if b := p.rest; b[0] == 1<<3|wireBytes {
			if n, size := short(b); size != 0 && n <= len(b)-size {
				p.rest = b[size+n:]
				return p.piece(b[size : size+n])
			}
		}
		if !outer.next() {
			p.err = ErrMalformed
			return false
		}
		p.rest = outer.rest
		if outer.is(1, wireBytes) {
			return p.piece(outer.bytes)
		}
	}
	return false
}

// piece decodes a ServiceLogs in the common form.
func (p *LogPieces) piece(b []byte) bool {
	p.Service, p.Replica, p.Log, p.Pod = nil, 0, nil, nil
	for len(b) > 0 {
		tag := b[0]
		n, size := short(b)
		if size == 0 {
			break
		}
		if tag == 2<<3|wireVarint {
			p.Replica, b = uint32(n), b[size:]
			continue
		}
		if n > len(b)-size {
			break
		}
		switch tag {
		case 1<<3 | wireBytes:
			p.Service = b[size : size+n]
		case 3<<3 | wireBytes:
			p.Log = b[size : size+n]
		default:
			return p.slowPiece(b)
		}
		b = b[size+n:]
	}
	return len(b) == 0 || p.slowPiece(b)
}

// slowPiece decodes the rest of a ServiceLogs in any form.
func (p *LogPieces) slowPiece(b []byte) bool {
	f := fields{rest: b}
	for f.next() {
		switch {
		case f.is(1, wireBytes):
			p.Service = f.bytes
		case f.is(2, wireVarint):
			p.Replica = uint32(f.varint)
		case f.is(3, wireBytes):
			p.Log = f.bytes
		case f.is(fieldExtra, wireBytes):
			p.Pod = f.bytes
		}
	}
	if f.bad {
		p.err = ErrMalformed
	}
	return !f.bad
}

// Err returns ErrMalformed if the message is malformed, and nil otherwise.
func (p *LogPieces) Err() error { return p.err }
