package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"slices"
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
	if err == nil {
		return x.reply(&webv1.SendManifestResponse{})
	}
	return manifestRefusal(err, sent.Load())
}

// refusedManifest are the texts by which a gateway shows that the manifest is at fault
// though it answers 500, as for every failure before v0.11.2.
var refusedManifest = []string{"manifest cross-validation error:", "hostname not allowed", "validation failed"}

// abandonedManifest are the texts of a 500 by which a gateway shows that it gave up
// waiting for its own cluster, which may have the manifest by now.
var abandonedManifest = []string{"context deadline exceeded", "context canceled"}

// manifestRefusal turns the error of a manifest that was not taken into one that says
// whether the provider refused it, with the provider's words, or whether it may be in
// effect. sent tells whether the request was on its way.
func manifestRefusal(err error, sent bool) error {
	var e *rpcerror.Error
	if !errors.As(err, &e) {
		return err
	}
	_, text, _ := strings.Cut(e.Message, ": ")
	says := func(texts []string) bool {
		return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(text, t) })
	}
	status := statusOf(e)
	switch {
	case e.Reason == rpcerror.ReasonRequestRefused:
		return rpcerror.New(e.Code, rpcerror.ReasonManifestRefused, "it refuses the manifest%s", said(text))
	case e.Reason == rpcerror.ReasonProviderFailed && says(refusedManifest):
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonManifestRefused, "it refuses the manifest%s", said(text))
	case status == http.StatusRequestTimeout, status == http.StatusBadGateway, status == http.StatusGatewayTimeout,
		e.Reason == rpcerror.ReasonProviderFailed && says(abandonedManifest):
		return rpcerror.New(codes.Unknown, rpcerror.ReasonOutcomeUnknown, "the manifest was sent and the provider gave the request up, so it may be in effect; ask for the lease's status before sending it again (%w)", err)
	case sent && (e.Reason == rpcerror.ReasonProviderGone || e.Reason == rpcerror.ReasonProviderUnreachable):
		return rpcerror.New(codes.Unknown, rpcerror.ReasonOutcomeUnknown, "the manifest was sent and no answer came, so it may be in effect; ask for the lease's status before sending it again (%w)", err)
	}
	return err
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
