// Package chainrpc answers calls that are about the chain and no provider: the service Chain
// (proto/akash/provider/web/v1/chain.proto).
package chainrpc

import (
	"context"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// headerTrust is the response header that says how the answer is known.
const headerTrust = "Akash-Trust"

// The paths of the service's methods.
const (
	ListLeases    = webv1.Chain_ListLeases_FullMethodName
	ListProviders = webv1.Chain_ListProviders_FullMethodName
)

// Service is the name of the service.
var Service = webv1.Chain_ServiceDesc.ServiceName

// Method has the types of a method's messages.
type Method struct{ Input, Output protoreflect.MessageType }

// Methods are the service's methods by path.
var Methods = map[string]Method{
	ListLeases:    {(*webv1.ListLeasesRequest)(nil).ProtoReflect().Type(), (*webv1.ListLeasesResponse)(nil).ProtoReflect().Type()},
	ListProviders: {(*webv1.ListProvidersRequest)(nil).ProtoReflect().Type(), (*webv1.ListProvidersResponse)(nil).ProtoReflect().Type()},
}

// Chain has what the chain knows of accounts and providers.
type Chain interface {
	// Leases returns the leases of an account in a state, or any if it is "".
	Leases(ctx context.Context, owner, state string) (chain.Leases, error)
	// Providers returns all providers.
	Providers(ctx context.Context) (chain.Providers, error)
}

// Servers returns what answers calls of the methods, by path.
func Servers(c Chain) map[string]relay.Upstream {
	return map[string]relay.Upstream{
		ListLeases: serve(ListLeases, func(ctx context.Context, request *webv1.ListLeasesRequest) (proto.Message, chain.Trust, error) {
			found, err := c.Leases(ctx, request.GetOwner(), request.GetState())
			return encode(found), found.Trust, err
		}),
		ListProviders: serve(ListProviders, func(ctx context.Context, _ *webv1.ListProvidersRequest) (proto.Message, chain.Trust, error) {
			found, err := c.Providers(ctx)
			return &webv1.ListProvidersResponse{Providers: found.Addresses, Height: found.Height}, found.Trust, err
		}),
	}
}

// message is a pointer to a message type M.
type message[M any] interface {
	*M
	proto.Message
}

// serve returns what answers calls of a method.
func serve[M any, P message[M]](path string, answer func(context.Context, P) (proto.Message, chain.Trust, error)) relay.Func {
	return func(ctx context.Context, body []byte, a *relay.Answer) error {
		request := P(new(M))
		if err := proto.Unmarshal(body, request); err != nil {
			return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "the request message of %s cannot be decoded", path)
		}
		found, trust, err := answer(ctx, request)
		if err != nil {
			return err
		}
		response, err := proto.Marshal(found)
		if err != nil {
			return err
		}
		a.SetHeader(http.Header{headerTrust: {string(trust)}})
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
