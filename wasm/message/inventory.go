package message

// InventorySnapshot is akash.inventory.v1.GetCommittedInventorySnapshotResponse, and
// GetInventorySnapshotResponse, which has its first three fields.
var InventorySnapshot = &Table{
	{Number: 1, Name: "snapshotPayload", Kind: Bytes},
	{Number: 2, Name: "signature", Kind: Bytes},
	{Number: 3, Name: "provider"},
	{Number: 4, Name: "snapshotHash", Kind: Bytes},
	{Number: 5, Name: "postedAt", Kind: Timestamp},
}

// AppendBytes appends a GetInventorySnapshotRequest or a
// GetCommittedInventorySnapshotRequest, whose only field is in Names, in hexadecimal.
func (r *LeaseRequest) AppendBytes(b []byte) []byte {
	var raw []byte
	for i := 0; i+1 < len(r.Names); i += 2 {
		raw = append(raw, nibble(r.Names[i])<<4|nibble(r.Names[i+1]))
	}
	if len(raw) == 0 {
		return b
	}
	return appendMessage(b, 1, raw)
}

// nibble returns the value of a lower-case hexadecimal digit.
func nibble(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}
