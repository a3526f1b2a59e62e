package message

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// A provider decodes the requests to the values that they were made of.
func TestRequests(t *testing.T) {
	request := LeaseRequest{
		Lease:   LeaseID{Owner: "akash1owner", DSeq: 1<<64 - 1, GSeq: 1, OSeq: 1<<32 - 1, BSeq: 7, Provider: "akash1provider"},
		Filter:  ServiceFilter{Name: "web", Replicas: []uint32{0, 1, 300}},
		Follow:  true,
		Timeout: 90_250, Manifest: `[{"name":"日本"}]`, Names: "a.example,b.example",
	}
	lease := &marketv1.LeaseID{Owner: "akash1owner", Dseq: 1<<64 - 1, Gseq: 1, Oseq: 1<<32 - 1, Bseq: 7, Provider: "akash1provider"}
	filter := &leasev1.ServiceFilter{Name: "web", Replicas: []uint32{0, 1, 300}}

	requireMessage(t, &leasev1.ServiceLogsRequest{LeaseId: lease, Filter: filter, Follow: true}, request.AppendFollow(nil))
	requireMessage(t, &leasev1.ServiceStatusRequest{LeaseId: lease, Filter: filter, Follow: true}, request.AppendFollow(nil))
	request.Known = []KnownReplica{{Pod: "web-1-a"}, {Pod: "web-1-b", Replica: 300}}
	requireMessage(t, &leasev1.ServiceLogsRequest{LeaseId: lease, Filter: filter, Follow: true,
		Known: []*leasev1.KnownReplica{{Pod: "web-1-a"}, {Pod: "web-1-b", Replica: 300}}}, request.AppendFollow(nil))
	requireMessage(t, &leasev1.ServiceRestartRequest{LeaseId: lease, Filter: filter,
		Timeout: &durationpb.Duration{Seconds: 90, Nanos: 250_000_000}}, request.AppendRestart(nil))
	requireMessage(t, &webv1.SendManifestRequest{LeaseId: lease, Manifest: []byte(request.Manifest)}, request.AppendManifest(nil))
	requireMessage(t, &webv1.GetManifestRequest{LeaseId: lease}, request.AppendLease(nil))
	requireMessage(t, &webv1.StreamLeaseEventsRequest{LeaseId: lease, Service: "web", Follow: true}, request.AppendEvents(nil))
	requireMessage(t, &webv1.ListLeasesRequest{Owner: "akash1owner", State: "closed"}, (&LeaseRequest{Lease: LeaseID{Owner: "akash1owner"}, Names: "closed"}).AppendOwner(nil))
	request.Follow = false
	requireMessage(t, &webv1.HostnameMigrateRequest{LeaseId: lease, Hostnames: []string{"a.example", "b.example"}}, request.AppendNames(nil))
	requireMessage(t, &webv1.EndpointMigrateRequest{LeaseId: lease, Endpoints: []string{"a.example", "b.example"}}, request.AppendNames(nil))
	request.Names, request.Follow = "bm9uY2U=", true
	requireMessage(t, &webv1.AttestationQuoteRequest{LeaseId: lease, Nonce: "bm9uY2U=", BindTls: true}, request.AppendNames(nil))
}

// The nonce of a snapshot crosses in hexadecimal, and its bytes come back in base64.
func TestInventorySnapshot(t *testing.T) {
	request := LeaseRequest{Names: "00ff7f80"}
	nonce := []byte{0x00, 0xff, 0x7f, 0x80}
	requireMessage(t, &inventoryv1.GetInventorySnapshotRequest{Nonce: nonce}, request.AppendBytes(nil))
	requireMessage(t, &inventoryv1.GetCommittedInventorySnapshotRequest{SnapshotHash: nonce}, request.AppendBytes(nil))
	requireMessage(t, &inventoryv1.GetCommittedInventorySnapshotRequest{}, new(LeaseRequest).AppendBytes(nil))

	got, err := AppendJSON(nil, InventorySnapshot, marshal(t, &inventoryv1.GetInventorySnapshotResponse{
		SnapshotPayload: nonce, Signature: []byte("sign"), Provider: "akash1provider",
	}))
	require.NoError(t, err)
	require.JSONEq(t, `{"snapshotPayload":"AP9/gA","signature":"c2lnbg","provider":"akash1provider","snapshotHash":""}`, string(got))
}

func TestRequestForEverything(t *testing.T) {
	request := LeaseRequest{Lease: LeaseID{Owner: "akash1owner", DSeq: 5}}
	lease := &marketv1.LeaseID{Owner: "akash1owner", Dseq: 5}
	requireMessage(t, &leasev1.ServiceLogsRequest{LeaseId: lease, Filter: &leasev1.ServiceFilter{}}, request.AppendFollow(nil))
	requireMessage(t, &leasev1.ServiceRestartRequest{LeaseId: lease, Filter: &leasev1.ServiceFilter{},
		Timeout: &durationpb.Duration{}}, request.AppendRestart(nil))
}

func requireMessage(t *testing.T, want proto.Message, wire []byte) {
	t.Helper()
	got := want.ProtoReflect().New().Interface()
	require.NoError(t, proto.Unmarshal(wire, got))
	require.True(t, proto.Equal(want, got), "want %v, got %v", want, got)
}

func TestLogPieces(t *testing.T) {
	long := strings.Repeat("long ", 1000)
	pieces, err := piecesOf(marshal(t, &leasev1.ServiceLogsResponse{Services: []*leasev1.ServiceLogs{
		{Name: "web", Replica: 2, Logs: []byte("one\ntwo")},
		{},
		{Name: "db", Logs: []byte("\xff")},
		{Name: "db", Replica: 1 << 20, Logs: []byte(long), Pod: "db-0"},
		{Name: "db", Logs: []byte("of the same pod")},
	}}))
	require.NoError(t, err)
	assert.Equal(t, []*leasev1.ServiceLogs{
		{Name: "web", Replica: 2, Logs: []byte("one\ntwo")},
		{Logs: []byte{}},
		{Name: "db", Logs: []byte("\xff")},
		{Name: "db", Replica: 1 << 20, Logs: []byte(long), Pod: "db-0"},
		{Name: "db", Logs: []byte("of the same pod")},
	}, pieces)
}

// piecesOf returns all pieces of a message.
func piecesOf(wire []byte) (pieces []*leasev1.ServiceLogs, err error) {
	var p LogPieces
	for p.Reset(wire); p.Next(); {
		pieces = append(pieces, &leasev1.ServiceLogs{
			Name: string(p.Service), Replica: p.Replica, Logs: append([]byte{}, p.Log...), Pod: string(p.Pod),
		})
	}
	return pieces, p.Err()
}

func FuzzLogPieces(f *testing.F) {
	f.Add([]byte("\x0a\x0a\x0a\x03web\x1a\x03one"))
	f.Add([]byte("\x0a\x0b\x10\x81\x01\x0a\x03web\x1a\x01x\x08"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, err := piecesOf(wire)
		var want leasev1.ServiceLogsResponse
		if proto.Unmarshal(wire, &want) != nil || hasGroup(wire) {
			return
		}
		require.NoError(t, err)
		require.Len(t, got, len(want.Services))
		for i, service := range want.Services {
			require.Equal(t, service.Name, got[i].Name)
			require.Equal(t, service.Replica, got[i].Replica)
			require.Equal(t, string(service.Logs), string(got[i].Logs))
			require.Equal(t, service.Pod, got[i].Pod)
		}
	})
}

// Malformed data is an error for both ways of decoding.
func TestMalformedPieces(t *testing.T) {
	for _, wire := range []string{
		"\x0a", "\x0a\x05abc", "\x0a\x01\x0a", "\x0a\x02\x0a\x05", "\x0a\x03\x1a\x80\x01", "\x0a\x04\x0a\x01x\x10",
		"\x0a\x04\x0a\x01x\x00", "\x07", "\x0a\x80",
	} {
		_, err := piecesOf([]byte(wire))
		assert.ErrorIs(t, err, ErrMalformed, "%q", wire)
	}
}

// A shell's start is what was asked for, whatever its parts hold.
func TestShellStart(t *testing.T) {
	request := LeaseRequest{
		Lease:   LeaseID{Owner: "akash1owner", DSeq: 5, GSeq: 1, OSeq: 1},
		Filter:  ServiceFilter{Name: "web", Replicas: []uint32{2}},
		Command: "sh\x01-c\x01a\x02\x02b\x02\x03c\x01日本\x01",
		TTY:     true, Stdin: true, Window: 262_144,
	}
	requireMessage(t, &webv1.ShellRequest{Request: &webv1.ShellRequest_Start{Start: &webv1.ShellStart{
		LeaseId: &marketv1.LeaseID{Owner: "akash1owner", Dseq: 5, Gseq: 1, Oseq: 1}, Service: "web", PodIndex: 2,
		Command: []string{"sh", "-c", "a\x01b\x02c", "日本"}, Tty: true, Stdin: true, Window: 262_144,
	}}}, request.AppendShell(nil))
}

func TestShellResponses(t *testing.T) {
	for _, one := range []struct {
		response     *webv1.ShellResponse
		kind, number uint32
		text         string
	}{
		{&webv1.ShellResponse{Response: &webv1.ShellResponse_Stdout{Stdout: []byte("\xff\x00out")}}, ShellStdout, 0, "\xff\x00out"},
		{&webv1.ShellResponse{Response: &webv1.ShellResponse_Stderr{Stderr: []byte("err")}}, ShellStderr, 0, "err"},
		{&webv1.ShellResponse{Response: &webv1.ShellResponse_Taken{Taken: 65_536}}, ShellTaken, 65_536, ""},
		{&webv1.ShellResponse{Response: &webv1.ShellResponse_Result{Result: &webv1.ShellResult{ExitCode: -1, Message: "why"}}}, ShellResult, 1<<32 - 1, "why"},
		{&webv1.ShellResponse{Response: &webv1.ShellResponse_Result{Result: &webv1.ShellResult{}}}, ShellResult, 0, ""},
		{&webv1.ShellResponse{}, 0, 0, ""},
	} {
		wire, err := proto.Marshal(one.response)
		require.NoError(t, err)
		kind, number, text, err := ReadShell(wire)
		require.NoError(t, err)
		assert.Equal(t, []any{one.kind, one.number, one.text}, []any{kind, number, string(text)})
	}
	_, _, _, err := ReadShell([]byte{3<<3 | 2, 2, 1 << 3, 0xff})
	assert.ErrorIs(t, err, ErrMalformed)
}
