package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// manifestPatience is how long a provider may take for a manifest: it waits up
// to 120 s for the chain and the cluster.
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
	// Once the request is on its way nobody can tell whether it was heard, so a
	// lost answer must not look like something to try again.
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	x.gateway.patience = max(x.gateway.patience, manifestPatience)
	_, err := x.do(ctx, http.MethodPut, route{
		path:  fmt.Sprintf("/deployment/%d/manifest", request.GetLeaseId().GetDseq()),
		scope: scopeSendManifest,
	}, request.GetManifest(), maxErrorBody)
	switch {
	case err == nil:
		return x.reply(&webv1.SendManifestResponse{})
	case sent.Load() && (isReason(err, rpcerror.ReasonProviderGone) || isReason(err, rpcerror.ReasonProviderUnreachable)):
		return rpcerror.New(codes.Unknown, rpcerror.ReasonOutcomeUnknown, "the manifest was sent and no answer came, so it may be in effect; ask for the lease's status before sending it again (%w)", err)
	}
	return manifestRefusal(err)
}

// refusedManifest are the texts by which gateways before v0.11.2, which answer
// every failure with 500, show that the manifest is at fault.
var refusedManifest = []string{"manifest cross-validation error:", "hostname not allowed:", "validation failed"}

// manifestRefusal turns the error of a manifest that a provider refused into one
// that says so with the provider's words.
func manifestRefusal(err error) error {
	var e *rpcerror.Error
	if !errors.As(err, &e) {
		return err
	}
	refused := e.Reason == rpcerror.ReasonRequestRefused
	if e.Reason == rpcerror.ReasonProviderFailed {
		for _, text := range refusedManifest {
			refused = refused || strings.Contains(e.Message, text)
		}
	}
	if !refused {
		return err
	}
	_, text, _ := strings.Cut(e.Message, ": ")
	return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonManifestRefused, "it refuses the manifest%s", said(text))
}

// checkManifest returns an error if data is not what a manifest is at least: a
// JSON array.
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
