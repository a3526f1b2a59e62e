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

// A LeaseID names a lease (akash.market.v1.LeaseID).
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

// A ServiceFilter selects services by name and replicas by index; empty selects
// all.
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

// A LeaseRequest is what the three requests of LeaseRPC have in common: fields 1
// and 2, and a third that each has for itself.
type LeaseRequest struct {
	Lease  LeaseID
	Filter ServiceFilter
	// Follow asks ServiceLogs and ServiceStatus to go on with what is new.
	Follow bool
	// Timeout is how long ServiceRestart waits for the services to come back, in
	// milliseconds; 0 does not wait.
	Timeout uint64
}

// AppendFollow appends a ServiceLogsRequest or a ServiceStatusRequest, which
// have the same fields.
func (r *LeaseRequest) AppendFollow(b []byte) []byte {
	return appendBool(r.appendTarget(b), 3, r.Follow)
}

// AppendRestart appends a ServiceRestartRequest.
func (r *LeaseRequest) AppendRestart(b []byte) []byte {
	duration := appendUint(nil, 1, r.Timeout/1000)
	duration = appendUint(duration, 2, r.Timeout%1000*1e6)
	return appendMessage(r.appendTarget(b), 3, duration)
}

func (r *LeaseRequest) appendTarget(b []byte) []byte {
	b = appendMessage(b, 1, r.Lease.append(nil))
	return appendMessage(b, 2, r.Filter.append(nil))
}

// A LogPiece is a run of bytes of one replica's log
// (akash.provider.lease.v1.ServiceLogs). It may begin and end within a line. Its
// slices are parts of the message.
type LogPiece struct {
	Service []byte
	Replica uint32
	Log     []byte
}

// NextLogPiece takes the first piece off the rest of a ServiceLogsResponse. It
// returns false where there is none left, and ErrMalformed where the rest is not
// such a message. It allocates nothing.
func NextLogPiece(response []byte) (piece LogPiece, rest []byte, ok bool, err error) {
	outer := fields{rest: response}
	for outer.next() {
		if !outer.is(1, wireBytes) {
			continue
		}
		inner := fields{rest: outer.bytes}
		for inner.next() {
			switch {
			case inner.is(1, wireBytes):
				piece.Service = inner.bytes
			case inner.is(2, wireVarint):
				piece.Replica = uint32(inner.varint)
			case inner.is(3, wireBytes):
				piece.Log = inner.bytes
			}
		}
		if inner.bad {
			return piece, nil, false, ErrMalformed
		}
		return piece, outer.rest, true, nil
	}
	if outer.bad {
		return piece, nil, false, ErrMalformed
	}
	return piece, nil, false, nil
}
