package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// manifestPatience is the time limit for a manifest: a provider waits up to 120 s for the
// chain and the cluster.
const manifestPatience = 150 * time.Second

// sendManifest answers LeaseREST/SendManifest. It sends the manifest once.
func sendManifest(ctx context.Context, x *exchange) error {
	var request webv1.SendManifestRequest
	if err := x.request(&request); err != nil {
		return err
	}
	if err := x.checkDeployment(request.GetLeaseId()); err != nil {
		return err
	}
	if err := checkManifest(request.GetManifest()); err != nil {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonManifestRefused, "the manifest %w", err)
	}
	x.gateway.patience = max(x.gateway.patience, manifestPatience)
	_, sent, err := x.once(ctx, http.MethodPut, route{
		path:  fmt.Sprintf("/deployment/%d/manifest", request.GetLeaseId().GetDseq()),
		scope: scopeSendManifest,
	}, request.GetManifest(), maxErrorBody)
	if err == nil {
		return x.reply(&webv1.SendManifestResponse{})
	}
	return manifestRefusal(err, sent)
}

// refusedManifest are the messages of a gateway that refuses a manifest with a 500, as for
// every failure before v0.11.2.
var refusedManifest = []string{"manifest cross-validation error:", "hostname not allowed", "validation failed"}

// manifestRefusal returns the error for a manifest that was not accepted. It says whether
// the provider refused it, with the provider's message, or whether it may be in effect.
// sent reports whether the request was sent.
func manifestRefusal(err error, sent bool) error {
	var e *rpcerror.Error
	if !errors.As(err, &e) {
		return err
	}
	_, text, _ := strings.Cut(e.Message, ": ")
	switch {
	case e.Reason == rpcerror.ReasonRequestRefused:
		return rpcerror.New(e.Code, rpcerror.ReasonManifestRefused, "it refuses the manifest%s", said(text))
	case e.Reason == rpcerror.ReasonProviderFailed && containsAny(text, refusedManifest):
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonManifestRefused, "it refuses the manifest%s", said(text))
	}
	if how := undecided(e, sent); how != "" {
		return rpcerror.New(codes.Unknown, rpcerror.ReasonOutcomeUnknown, "the manifest was sent and %s, so it may be in effect; ask for the lease's status before sending it again (%w)", how, err)
	}
	return err
}

// checkManifest returns an error if data is not a JSON array.
func checkManifest(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("is missing")
	case len(data) > maxManifest:
		return fmt.Errorf("is longer than %d bytes", maxManifest)
	case !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("[")) || !json.Valid(data):
		return errors.New("is not a JSON array of groups")
	}
	return nil
}

// getManifest answers LeaseREST/GetManifest.
func getManifest(ctx context.Context, x *exchange) error {
	var request webv1.GetManifestRequest
	if err := x.request(&request); err != nil {
		return err
	}
	if err := x.checkLease(request.GetLeaseId()); err != nil {
		return err
	}
	manifest, err := x.get(ctx, leaseRoute(request.GetLeaseId(), "manifest", scopeGetManifest), maxManifest)
	if err != nil {
		return err
	}
	if err := checkManifest(manifest); err != nil {
		return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "the manifest that it sent %w", err)
	}
	return x.reply(&webv1.GetManifestResponse{Manifest: manifest})
}
