package fake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
)

// snapshotNonce is the length of a nonce, in bytes.
const snapshotNonce = 32

// inventoryService serves AEP-86's InventoryService, to everybody
// (proto/akash-provider-api.md, section 6.5).
type inventoryService struct {
	inventoryv1.UnimplementedInventoryServiceServer
	provider *provider

	mu        sync.Mutex
	committed *inventoryv1.GetCommittedInventorySnapshotResponse // nil until it is asked for
}

// GetInventorySnapshot implements InventoryService.
func (s *inventoryService) GetInventorySnapshot(_ context.Context, r *inventoryv1.GetInventorySnapshotRequest) (*inventoryv1.GetInventorySnapshotResponse, error) {
	switch n := len(r.GetNonce()); n {
	case snapshotNonce:
	case 0:
		return nil, status.Error(codes.InvalidArgument, "missing inventory snapshot nonce")
	default:
		return nil, status.Errorf(codes.InvalidArgument, "invalid inventory snapshot nonce: expected 0 or %d bytes, got %d", snapshotNonce, n)
	}
	payload, signature, err := s.snapshot(r.GetNonce())
	if err != nil {
		return nil, err
	}
	return &inventoryv1.GetInventorySnapshotResponse{SnapshotPayload: payload, Signature: signature, Provider: s.provider.address()}, nil
}

// GetCommittedInventorySnapshot implements InventoryService.
func (s *inventoryService) GetCommittedInventorySnapshot(_ context.Context, r *inventoryv1.GetCommittedInventorySnapshotRequest) (*inventoryv1.GetCommittedInventorySnapshotResponse, error) {
	hash := r.GetSnapshotHash()
	if n := len(hash); n != 0 && n != sha256.Size {
		return nil, status.Errorf(codes.InvalidArgument, "invalid committed inventory snapshot hash length: expected %d bytes, got %d", sha256.Size, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.committed == nil {
		payload, signature, err := s.snapshot(nil)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(payload)
		s.committed = &inventoryv1.GetCommittedInventorySnapshotResponse{
			SnapshotPayload: payload, Signature: signature, Provider: s.provider.address(), SnapshotHash: sum[:], PostedAt: timestamppb.Now(),
		}
	}
	if len(hash) > 0 && !bytes.Equal(hash, s.committed.GetSnapshotHash()) {
		return nil, status.Error(codes.NotFound, "committed inventory snapshot not found")
	}
	return s.committed, nil
}

// snapshot returns the inventory of now and its signature with the account's key.
func (s *inventoryService) snapshot(nonce []byte) (payload, signature []byte, err error) {
	now, _ := s.provider.status()
	taken := time.Now()
	payload, err = proto.MarshalOptions{Deterministic: true}.Marshal(&inventoryv1.SnapshotPayload{
		SchemaVersion: 1,
		Provider:      s.provider.address(),
		ChainId:       "akashnet-2",
		Nonce:         nonce,
		Timestamp:     timestamppb.New(taken),
		Cluster:       now.GetCluster().GetInventory().GetCluster(),
		ResourceSummary: &inventoryv1.SnapshotResourceSummary{
			ActiveLeases:    now.GetCluster().GetLeases().GetActive(),
			SoftwareVersion: s.provider.version.text,
		},
	})
	if err != nil {
		return nil, nil, status.Error(codes.Internal, err.Error())
	}
	signature = signSecp256k1(s.provider.account.key, payload)
	sum := sha256.Sum256(payload)
	record := &verificationInventory{Provider: s.provider.address(), Hash: sum[:], Signature: signature, SchemaVersion: 1, CreatedAt: taken.UTC()}
	record.Validation.Status = "unvalidated"
	s.provider.verified.Store(record)
	return payload, signature, nil
}
