// Package chainrpc answers calls that are about the chain and no provider: the service Chain
// (proto/akash/provider/web/v1/chain.proto).
package chainrpc

import (
	"context"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// headerTrust is the response header that says how the answer is known.
const headerTrust = "Akash-Trust"

// ListLeases is the path of the service's method.
const ListLeases = webv1.Chain_ListLeases_FullMethodName

// Service is the name of the service.
const Service = "akash.provider.web.v1.Chain"

// Input and Output are the types of the method's messages.
var (
	Input  = (*webv1.ListLeasesRequest)(nil).ProtoReflect().Type()
	Output = (*webv1.ListLeasesResponse)(nil).ProtoReflect().Type()
)

// Chain has the leases of accounts.
type Chain interface {
	// Leases returns the leases of an account in a state, or any if it is "".
	Leases(ctx context.Context, owner, state string) (chain.Leases, error)
}

// Server returns what answers calls of ListLeases.
func Server(c Chain) relay.Func {
	return func(ctx context.Context, message []byte, a *relay.Answer) error {
		var request webv1.ListLeasesRequest
		if err := proto.Unmarshal(message, &request); err != nil {
			return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "the request message of %s cannot be decoded", ListLeases)
		}
		found, err := c.Leases(ctx, request.GetOwner(), request.GetState())
		if err != nil {
			return err
		}
		response, err := proto.Marshal(encode(found))
		if err != nil {
			return err
		}
		a.SetHeader(http.Header{headerTrust: {string(found.Trust)}})
		return a.Send(response)
	}
}

func encode(found chain.Leases) *webv1.ListLeasesResponse {
	response := &webv1.ListLeasesResponse{More: found.More, Completeness: string(found.Completeness), Height: found.Height}
	for _, l := range found.Leases {
		response.Leases = append(response.Leases, &webv1.ListedLease{
			Id: &marketv1.LeaseID{
				Owner: l.ID.Owner, Dseq: l.ID.DSeq, Gseq: l.ID.GSeq, Oseq: l.ID.OSeq, Bseq: l.ID.BSeq, Provider: l.ID.Provider,
			},
			State: marketv1.Lease_State(l.State),
			Price: l.Amount, Denom: l.Denom,
			CreatedAt: l.CreatedAt, ClosedOn: l.ClosedOn,
		})
	}
	return response
}
