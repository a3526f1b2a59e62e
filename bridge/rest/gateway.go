package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
)

// Limits on what a provider may answer. A large cluster's status is well below
// 1 MiB; a manifest is what a person wrote.
const (
	maxStatusBody = 4 << 20
	maxLeaseBody  = 4 << 20
	maxManifest   = 1 << 20
	maxErrorBody  = 64 << 10
)

// The scopes of a token (AEP-64) that the routes used here ask for.
const (
	scopeNone            = "" // a public route: no credential is sent
	scopeStatus          = "status"
	scopeLogs            = "logs"
	scopeEvents          = "events"
	scopeSendManifest    = "send-manifest"
	scopeGetManifest     = "get-manifest"
	scopeRestart         = "restart"
	scopeHostnameMigrate = "hostname-migrate"
	scopeIPMigrate       = "ip-migrate"
	scopeShell           = "shell"
	scopeAttestation     = "attestation"
)

// gateway is a provider's REST gateway as one call uses it: the provider's own
// routes with the caller's credential (proto/akash-provider-api.md, section 2.1).
type gateway struct {
	base       *url.URL
	client     *http.Client
	credential *credential
	provider   string // bech32 address
	endpoint   *provider.Endpoint
	patience   time.Duration
}

func newGateway(call *Call, patience time.Duration) (*gateway, error) {
	base, err := url.Parse(call.Endpoint.HostURI)
	if err != nil || base.Scheme != "https" || base.Host == "" {
		return nil, rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonProviderProtocol, "its host URI is not an https address")
	}
	return &gateway{
		base: &url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimSuffix(base.Path, "/")},
		client: &http.Client{
			Transport: call.Endpoint.Transport,
			// A provider never redirects. One that does would send the
			// credential elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		credential: newCredential(call.Authorization, call.ClientCertificate),
		provider:   call.Provider,
		endpoint:   call.Endpoint,
		patience:   patience,
	}, nil
}

// route is one address of a gateway.
type route struct {
	path  string
	query url.Values
	// scope is what a token must grant for it.
	scope string
}

// leaseRoute is the route of a lease; the owner is the credential's and the
// provider the server's, so neither is in the path.
func leaseRoute(id *marketv1.LeaseID, name, scope string) route {
	return route{
		path:  fmt.Sprintf("/lease/%d/%d/%d/%s", id.GetDseq(), id.GetGseq(), id.GetOseq(), name),
		scope: scope,
	}
}

func (g *gateway) url(r route) string {
	u := g.base.JoinPath(r.path)
	u.RawQuery = r.query.Encode()
	return u.String()
}

// header returns what goes with a request to r. A public route gets no
// credential: it would judge one all the same (proto/akash-provider-api.md, section 2.1).
func (g *gateway) header(r route) http.Header {
	h := http.Header{"User-Agent": {grpcwire.UserAgent}}
	if r.scope != scopeNone && g.credential.authorization != "" {
		h.Set("Authorization", g.credential.authorization)
	}
	return h
}

// topic names what r says, for those who watch it.
func (g *gateway) topic(path, scope string) topicKey {
	key := topicKey{transport: g.client.Transport, path: g.base.String() + path}
	if !reflect.TypeOf(key.transport).Comparable() {
		key.transport = g // shared with nobody
	}
	if scope != scopeNone {
		key.credential = g.credential.sum()
	}
	return key
}

// get returns the body of r, limit bytes at most. What is not a 200 is an error.
func (g *gateway) get(ctx context.Context, r route, limit int64) ([]byte, error) {
	return g.do(ctx, http.MethodGet, r, nil, limit)
}

// do sends a request and returns the body of a 200.
func (g *gateway) do(ctx context.Context, method string, r route, body []byte, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, g.patience, errPatience)
	defer cancel()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, g.url(r), reader)
	if err != nil {
		return nil, rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "no request can be made for its host URI")
	}
	req.Header = g.header(r)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, g.lost(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return nil, g.refusal(resp, text, r.scope)
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, g.lost(ctx, err)
	}
	if int64(len(answer)) > limit {
		return nil, rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "its answer to %s is longer than %d bytes", r.path, limit)
	}
	return answer, nil
}

// errPatience is the cause of a context that the gateway itself ended.
var errPatience = errors.New("the provider took too long")

// lost is the error of a request that got no answer.
func (g *gateway) lost(ctx context.Context, err error) error {
	var way *rpcerror.Error
	var neterr net.Error
	switch {
	case errors.As(err, &way):
		return way // the way to the provider knows better what failed
	case context.Cause(ctx) == errPatience || errors.As(err, &neterr) && neterr.Timeout() && ctx.Err() == nil:
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, "it did not answer within %s", g.patience)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return &rpcerror.Error{
		Code: codes.Unavailable, Reason: rpcerror.ReasonProviderGone, Err: err,
		Message: "the connection to its REST gateway broke: " + transportWords(err),
	}
}

// transportWords is the text of a transport's error without the request's
// address, which net/http puts in front.
func transportWords(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return words([]byte(err.Error()))
}

// checkLease returns an error if id is not a whole lease of this provider and of
// the credential's owner.
func (x *exchange) checkLease(id *marketv1.LeaseID) error {
	if id.GetGseq() == 0 || id.GetOseq() == 0 {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonUnknownLease, "lease_id needs dseq, gseq and oseq")
	}
	return x.checkDeployment(id)
}

// checkDeployment is checkLease for a whole deployment. Routes carry neither
// owner nor provider, so a slip in either would silently answer for another
// lease with the same numbers.
func (x *exchange) checkDeployment(id *marketv1.LeaseID) error {
	if id.GetDseq() == 0 {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonUnknownLease, "lease_id needs a dseq")
	}
	if p := id.GetProvider(); p != "" && x.call.Provider != "" && p != x.call.Provider {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonUnknownLease, "lease %s is with provider %s", leaseName(id), words([]byte(p)))
	}
	if x.credential.ambiguous() {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonAmbiguousCredentials, "the call carries both a token and a client certificate; providers refuse that: send one")
	}
	owner := x.credential.owner()
	if o := id.GetOwner(); o != "" && owner != "" && o != owner {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonWrongTenant, "lease %s belongs to %s and the credential to %s", leaseName(id), words([]byte(o)), words([]byte(owner)))
	}
	return nil
}

// leaseName is how a lease is called in texts.
func leaseName(id *marketv1.LeaseID) string {
	name := strconv.FormatUint(id.GetDseq(), 10)
	if id.GetGseq() != 0 {
		name += fmt.Sprintf("/%d/%d", id.GetGseq(), id.GetOseq())
	}
	return name
}
