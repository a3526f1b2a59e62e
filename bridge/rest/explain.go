package rest

import (
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// leaseScopes are the token scopes that the methods of LeaseRPC require (AEP-37, AEP-64).
var leaseScopes = map[string]string{
	leasev1.LeaseRPC_ServiceLogs_FullMethodName:     scopeLogs,
	leasev1.LeaseRPC_ServiceStatus_FullMethodName:   scopeStatus,
	leasev1.LeaseRPC_ServiceRestart_FullMethodName:  scopeRestart,
	webv1.LeaseREST_AttestationQuote_FullMethodName: scopeAttestation,
	webv1.LeaseREST_SendManifest_FullMethodName:     scopeSendManifest,
}

// Explain returns an error that says why a provider refused a LeaseRPC call over gRPC, as
// precisely as for a call over REST. It recognises the gateway's messages, which the gRPC
// server shares (proto/akash-provider-api.md, sections 1.2 and 2.7). It returns nil if it
// has nothing to add to the provider's status.
func Explain(call *Call, code codes.Code, text string) *rpcerror.Error {
	if code == codes.Unimplemented && strings.HasPrefix(call.Method, inventoryPath) {
		return noInventory()
	}
	scope, ok := leaseScopes[call.Method]
	if !ok {
		return nil
	}
	g := &gateway{
		credential: newCredential(call.Authorization, call.ClientCertificate),
		provider:   call.Provider,
		endpoint:   call.Endpoint,
	}
	text = g.credential.words(text)
	if call.Method == webv1.LeaseREST_SendManifest_FullMethodName && (code == codes.InvalidArgument || code == codes.FailedPrecondition || containsAny(text, refusedManifest)) {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonManifestRefused, "it refuses the manifest%s", said(text))
	}
	switch code {
	case codes.Unauthenticated:
		return g.unauthenticated(&http.Response{StatusCode: http.StatusUnauthorized}, text, scope)
	case codes.Unknown:
		// As v0.16.0-rc3 answers. Its other messages are not about credentials.
		return g.unauthenticated(&http.Response{}, text, scope)
	case codes.PermissionDenied:
		if g.credential.authorization == "" && g.credential.certificate == nil {
			return g.unauthenticated(&http.Response{StatusCode: http.StatusUnauthorized}, text, scope)
		}
		return g.scopeMissing(scope)
	case codes.NotFound:
		switch {
		case strings.Contains(text, textNoSidecar):
			return notConfidential()
		case strings.Contains(text, "pods"):
			return rpcerror.New(code, rpcerror.ReasonNoRunningPods, "no pod of the lease, or of the service asked for, is running%s", said(text))
		case strings.Contains(text, "no service"):
			return rpcerror.New(code, rpcerror.ReasonUnknownService, "the lease has no service of that name%s", said(text))
		case strings.Contains(text, "lease"), strings.Contains(text, "deployment"):
			return rpcerror.New(code, rpcerror.ReasonUnknownLease, "it holds no such lease of this owner, or not yet its manifest%s", said(text))
		}
	case codes.Unavailable:
		if strings.Contains(text, "waiting to start") {
			return rpcerror.New(code, rpcerror.ReasonPodStarting, "the log cannot be read while a pod is starting: follow the log to wait for it, or try again%s", said(text))
		}
		if strings.Contains(text, "kube") {
			return rpcerror.New(code, rpcerror.ReasonClusterUnavailable, "its Kubernetes cluster does not answer%s", said(text))
		}
	}
	return nil
}
