package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// maxMigrateBody limits the response to a migration, which has the names that were sent.
const maxMigrateBody = 1 << 20

// hostnameMigrate answers LeaseREST/HostnameMigrate.
func hostnameMigrate(ctx context.Context, x *exchange) error {
	var request webv1.HostnameMigrateRequest
	if err := x.request(&request); err != nil {
		return err
	}
	moved, err := x.migrate(ctx, "hostname", scopeHostnameMigrate, request.GetLeaseId(), request.GetHostnames())
	if err != nil {
		return err
	}
	return x.reply(&webv1.HostnameMigrateResponse{Transferred: moved})
}

// endpointMigrate answers LeaseREST/EndpointMigrate.
func endpointMigrate(ctx context.Context, x *exchange) error {
	var request webv1.EndpointMigrateRequest
	if err := x.request(&request); err != nil {
		return err
	}
	moved, err := x.migrate(ctx, "endpoint", scopeIPMigrate, request.GetLeaseId(), request.GetEndpoints())
	if err != nil {
		return err
	}
	return x.reply(&webv1.EndpointMigrateResponse{Transferred: moved})
}

// migrate moves hostnames or endpoints, as kind says, to a deployment, and returns the
// moved names (proto/akash-provider-api.md, section 2.11).
func (x *exchange) migrate(ctx context.Context, kind, scope string, to *marketv1.LeaseID, names []string) ([]string, error) {
	switch {
	case to.GetGseq() == 0:
		return nil, rpcerror.New(codes.InvalidArgument, rpcerror.ReasonUnknownLease, "lease_id needs dseq and gseq of the destination")
	case len(names) == 0 || slices.Contains(names, ""):
		return nil, rpcerror.New(codes.InvalidArgument, rpcerror.ReasonRequestRefused, "the request needs at least one %s, and none that is empty", kind)
	}
	if err := x.checkDeployment(to); err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{
		kind + "s_to_migrate": names,
		"destination_dseq":    to.GetDseq(),
		"destination_gseq":    to.GetGseq(),
	})
	if err != nil {
		return nil, err
	}
	text, sent, err := x.once(ctx, http.MethodPost, route{path: "/" + kind + "/migrate", scope: scope}, body, maxMigrateBody)
	if err != nil {
		return nil, migrateRefusal(kind, err, sent)
	}
	var answer struct {
		Transferred []string `json:"transferred"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "it answered the migration with something that is not a list of what it moved")
	}
	return answer.Transferred, nil
}

// migrateRefusal returns the error of a migration, which says whether anything may have
// been moved. A provider moves one name after the other, and accepts names that were
// already moved.
func migrateRefusal(kind string, err error, sent bool) error {
	var e *rpcerror.Error
	if !errors.As(err, &e) {
		return err
	}
	if how := undecided(e, sent); how != "" {
		return rpcerror.New(codes.Unknown, rpcerror.ReasonOutcomeUnknown, "the migration was sent and %s, so some %ss may have been moved; sending the same again does no harm (%w)", how, kind, err)
	}
	switch {
	case e.Reason == rpcerror.ReasonRequestRefused && strings.Contains(e.Message, "destination deployment does not exist"):
		return rpcerror.New(codes.NotFound, rpcerror.ReasonUnknownLease, "it holds no active lease of this owner with the destination's dseq and gseq")
	case e.Reason == rpcerror.ReasonProviderFailed:
		return rpcerror.New(e.Code, e.Reason, "%s; some %ss may have been moved, and sending the same again does no harm", e.Message, kind)
	}
	return err
}
