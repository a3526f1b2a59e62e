package message

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// A provider reads in our requests what we asked for.
func TestRequests(t *testing.T) {
	request := LeaseRequest{
		Lease:   LeaseID{Owner: "akash1owner", DSeq: 1<<64 - 1, GSeq: 1, OSeq: 1<<32 - 1, BSeq: 7, Provider: "akash1provider"},
		Filter:  ServiceFilter{Name: "web", Replicas: []uint32{0, 1, 300}},
		Follow:  true,
		Timeout: 90_250,
	}
	lease := &marketv1.LeaseID{Owner: "akash1owner", Dseq: 1<<64 - 1, Gseq: 1, Oseq: 1<<32 - 1, Bseq: 7, Provider: "akash1provider"}
	filter := &leasev1.ServiceFilter{Name: "web", Replicas: []uint32{0, 1, 300}}

	requireMessage(t, &leasev1.ServiceLogsRequest{LeaseId: lease, Filter: filter, Follow: true}, request.AppendFollow(nil))
	requireMessage(t, &leasev1.ServiceStatusRequest{LeaseId: lease, Filter: filter, Follow: true}, request.AppendFollow(nil))
	requireMessage(t, &leasev1.ServiceRestartRequest{LeaseId: lease, Filter: filter,
		Timeout: &durationpb.Duration{Seconds: 90, Nanos: 250_000_000}}, request.AppendRestart(nil))
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
	rest := marshal(t, &leasev1.ServiceLogsResponse{Services: []*leasev1.ServiceLogs{
		{Name: "web", Replica: 2, Logs: []byte("one\ntwo")},
		{},
		{Name: "db", Logs: []byte("\xff")},
	}})
	var pieces []LogPiece
	for {
		piece, left, ok, err := NextLogPiece(rest)
		require.NoError(t, err)
		if !ok {
			break
		}
		pieces, rest = append(pieces, piece), left
	}
	assert.Equal(t, []LogPiece{
		{Service: []byte("web"), Replica: 2, Log: []byte("one\ntwo")},
		{},
		{Service: []byte("db"), Log: []byte("\xff")},
	}, pieces)
}

func FuzzNextLogPiece(f *testing.F) {
	f.Add([]byte("\x0a\x0a\x0a\x03web\x1a\x03one"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		var got []*leasev1.ServiceLogs
		rest, failed := wire, false
		for {
			piece, left, ok, err := NextLogPiece(rest)
			if err != nil {
				failed = true
			}
			if !ok {
				break
			}
			got = append(got, &leasev1.ServiceLogs{Name: string(piece.Service), Replica: piece.Replica, Logs: piece.Log})
			rest = left
		}
		var want leasev1.ServiceLogsResponse
		if proto.Unmarshal(wire, &want) != nil || hasGroup(wire) {
			return
		}
		require.False(t, failed)
		require.Len(t, got, len(want.Services))
		for i, service := range want.Services {
			require.Equal(t, service.Name, got[i].Name)
			require.Equal(t, service.Replica, got[i].Replica)
			require.Equal(t, string(service.Logs), string(got[i].Logs))
		}
	})
}
