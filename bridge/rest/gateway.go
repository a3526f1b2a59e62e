package rest

import (
	"bytes"
	"cmp"
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
	"akash-provider-web/bridge/internal/jsonlimit"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
)

// Limits of responses. Manifests are written by people.
const (
	maxManifest  = 1 << 20
	maxErrorBody = 64 << 10
)

// statusLimits are those of a provider's status and of a lease's. In a provider's, a node
// has some 330 bytes and 11 values, and a reservation some 130 and 6: there is room for
// 2,000 nodes and 3,000 leases, far more than any provider has.
var statusLimits = jsonlimit.Limits{Bytes: 1 << 20, Depth: 50, String: 64 << 10, Values: 50_000}

// The token scopes (AEP-64) of the routes used here.
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

// gateway is a provider's REST gateway for one call: the provider's routes with the
// caller's credential (proto/akash-provider-api.md, section 2.1).
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
			// Providers never redirect. Following a redirect would send the credential
			// elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		credential: newCredential(call.Authorization, call.ClientCertificate),
		provider:   call.Provider,
		endpoint:   call.Endpoint,
		patience:   patience,
	}, nil
}

// route is a route of a gateway.
type route struct {
	path  string
	query url.Values
	// scope is the scope that a token must grant.
	scope string
}

// leaseRoute returns a route of a lease. The path has neither the owner, which is the
// credential's, nor the provider, which is the server.
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

// header returns the headers of a request to r. A public route gets no credential, since
// the gateway would check it anyway (proto/akash-provider-api.md, section 2.1).
func (g *gateway) header(r route) http.Header {
	h := http.Header{"User-Agent": {grpcwire.UserAgent}}
	if r.scope != scopeNone && g.credential.authorization != "" {
		h.Set("Authorization", g.credential.authorization)
	}
	return h
}

// topic returns the key under which calls share the responses of r.
func (g *gateway) topic(path, scope string) topicKey {
	key := topicKey{transport: g.client.Transport, path: g.base.String() + path}
	if !reflect.TypeOf(key.transport).Comparable() {
		key.transport = g // not shared
	}
	if scope != scopeNone {
		key.credential = g.credential.sum()
	}
	return key
}

// get returns the body of r, at most limit bytes. A status other than 200 is an error.
func (g *gateway) get(ctx context.Context, r route, limit int64) ([]byte, error) {
	return g.do(ctx, http.MethodGet, r, nil, limit)
}

// getJSON passes the body of r, which is JSON within limits, to use, which must not keep it.
// what names it in errors, such as "its status".
func (g *gateway) getJSON(ctx context.Context, r route, what string, limits jsonlimit.Limits, use func([]byte) error) error {
	return g.ask(ctx, http.MethodGet, r, nil, func(ctx context.Context, answer io.Reader) error {
		used := false
		err := jsonlimit.Use(answer, limits, func(text []byte) error {
			used = true
			return use(text)
		})
		var limit *jsonlimit.Error
		switch {
		case err == nil || used:
			return err
		case errors.As(err, &limit):
			return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "%s %s", what, cmp.Or(limit.TooMuch, "is not a JSON object"))
		}
		return g.lost(ctx, err)
	})
}

// do sends a request and returns the body of a 200.
func (g *gateway) do(ctx context.Context, method string, r route, body []byte, limit int64) (answer []byte, err error) {
	err = g.ask(ctx, method, r, body, func(ctx context.Context, from io.Reader) error {
		answer, err = io.ReadAll(io.LimitReader(from, limit+1))
		switch {
		case err != nil:
			return g.lost(ctx, err)
		case int64(len(answer)) > limit:
			return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "its answer to %s is longer than %d bytes", r.path, limit)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ask sends a request and has the body of a 200 read.
func (g *gateway) ask(ctx context.Context, method string, r route, body []byte, read func(context.Context, io.Reader) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, g.patience, errPatience)
	defer cancel()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, g.url(r), reader)
	if err != nil {
		return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "no request can be made for its host URI")
	}
	req.Header = g.header(r)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return g.lost(ctx, err)
	}
	defer resp.Body.Close()
	// Providers answer a manifest with 200 and nothing; a proxy before one may say 204.
	if resp.StatusCode != http.StatusOK && !(resp.StatusCode == http.StatusNoContent && method == http.MethodPut) {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return g.refusal(resp, text, r.scope)
	}
	return read(ctx, resp.Body)
}

// errPatience is the cause of a context that the gateway itself canceled after a timeout.
var errPatience = errors.New("the provider took too long")

// lost returns the error of a request without a response.
func (g *gateway) lost(ctx context.Context, err error) error {
	var way *rpcerror.Error
	var neterr net.Error
	switch {
	case errors.As(err, &way):
		return way // the connection's own error is more precise
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

// transportWords returns the text of a transport's error without the request's URL, which
// net/http adds.
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

// checkDeployment is checkLease for a whole deployment. Routes contain neither owner nor
// provider, so a mistake in either would silently address another lease with the same
// numbers.
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
		if err := provider.CheckAddress(o); err != nil {
			return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedAddress, "the owner of lease %s is mistyped: %w", leaseName(id), err)
		}
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonWrongTenant, "lease %s belongs to %s and the credential to %s", leaseName(id), words([]byte(o)), words([]byte(owner)))
	}
	return nil
}

// CheckDeployment returns an error if id, the deployment that call is about, is not of
// call's provider and of its credential's owner.
func CheckDeployment(call *Call, id *marketv1.LeaseID) error {
	g := &gateway{credential: newCredential(call.Authorization, call.ClientCertificate)}
	return (&exchange{call: call, gateway: g}).checkDeployment(id)
}

// leaseName returns a lease's name for messages.
func leaseName(id *marketv1.LeaseID) string {
	name := strconv.FormatUint(id.GetDseq(), 10)
	if id.GetGseq() != 0 {
		name += fmt.Sprintf("/%d/%d", id.GetGseq(), id.GetOseq())
	}
	return name
}
