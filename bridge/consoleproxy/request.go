package consoleproxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trace"
)

// headerError names the reason of an error of this bridge (rpcerror.Reason).
const headerError = "Akash-Error"

// Statuses that are not in the standard, as this protocol uses them.
const (
	statusInvalidCertificate = 495
	statusClientClosed       = 499
)

const (
	// maxRequestBody bounds a request. A manifest is what a person wrote, and JSON in a
	// JSON string can double it.
	maxRequestBody = 4 << 20
	// arrival bounds the time that a request may take to arrive.
	arrival = 30 * time.Second
	// maxAnswerBody bounds a provider's answer. A large cluster's status is well below
	// 1 MiB.
	maxAnswerBody = 32 << 20
	// maxErrorBody bounds an answer that is read as a whole, to see what it says.
	maxErrorBody = 64 << 10
)

const (
	// maxPatience bounds the timeout that a request may ask for, for each attempt. It is
	// the default for a GET.
	maxPatience = 30 * time.Second
	// slowPatience is the default for other methods. A provider may take 120 s for a
	// manifest.
	slowPatience = 150 * time.Second
	// maxRetries is how often a GET is tried again.
	maxRetries = 3
	// firstDelay is the time before the second attempt, which doubles for each further
	// one.
	firstDelay = 200 * time.Millisecond
)

// protocol names this protocol in the log.
var protocol = slog.String("protocol", "console")

// serveRequest relays a request to a provider's REST gateway.
func (h *Handler) serveRequest(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	release, err := h.options.Admit(r)
	if err != nil {
		h.options.Observe("request", h.refuseBusy(w, r, err))
		return
	}
	defer release()
	attrs := trace.Of(r.Context()).Attrs([]slog.Attr{protocol})
	span := trace.Of(r.Context()).Begin(r.Context(), r.Header, "console request")
	status, err := h.relay(w, r, &attrs)
	span.SetInt("http.response.status_code", int64(status))
	if status >= http.StatusInternalServerError {
		span.Fail(http.StatusText(status))
	}
	span.End()
	h.options.Observe("request", status)
	attrs = append(attrs, slog.Int("status", status), slog.Duration("duration", time.Since(began)))
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	h.options.Logger.LogAttrs(r.Context(), slog.LevelInfo, "console request", attrs...)
	if errors.Is(err, errCut) {
		// The client must not take what it got for the whole answer.
		panic(http.ErrAbortHandler)
	}
}

// errCut is the error of an answer that broke off after its beginning had been sent.
var errCut = errors.New("the answer broke off")

// relay answers a request. It returns the status, and an error for the log.
func (h *Handler) relay(w http.ResponseWriter, r *http.Request, attrs *[]slog.Attr) (int, error) {
	m, err := readRequest(w, r)
	if err != nil {
		var list issues
		if errors.As(err, &list) {
			writeJSON(w, http.StatusBadRequest, invalid(list))
		} else {
			writeText(w, http.StatusBadRequest, err.Error())
		}
		return http.StatusBadRequest, err
	}
	list := m.checkRequest()
	to, more := m.target(h.options.Now())
	if list = append(list, more...); len(list) > 0 {
		writeJSON(w, http.StatusBadRequest, invalid(list))
		return http.StatusBadRequest, list
	}
	*attrs = append(*attrs,
		slog.String("method", m.Method),
		slog.String("provider", to.provider),
		slog.String("host", to.host.Addr()))

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	answer, err := h.attempts(ctx, m, to)
	if r.Context().Err() != nil {
		writeText(w, statusClientClosed, "Request aborted")
		return statusClientClosed, r.Context().Err()
	}
	if err != nil {
		return h.refuseTarget(w, to, err), err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusInternalServerError {
		return answerFailure(w, to, answer)
	}
	return answer.StatusCode, h.copyAnswer(w, answer)
}

// plainError is an error whose text is the answer.
type plainError string

func (e plainError) Error() string { return string(e) }

// readRequest reads a request's body. The error is issues, or says what is wrong.
func readRequest(w http.ResponseWriter, r *http.Request) (*message, error) {
	// A page may not send JSON to another origin without a preflight.
	if contentType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || contentType != "application/json" {
		return nil, plainError("The content type must be application/json")
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(arrival))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	_ = control.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, plainError("The request is too long or did not arrive in time")
	}
	m, err := parse(body)
	if err == errNotJSON {
		return nil, plainError("Malformed JSON in request body")
	}
	return m, err
}

// attempts sends a request, and a GET again if it failed in a way that may pass.
func (h *Handler) attempts(ctx context.Context, m *message, to *target) (*http.Response, error) {
	delay := firstDelay
	for attempt := 0; ; attempt++ {
		answer, err := h.attempt(ctx, m, to)
		last := m.Method != http.MethodGet || attempt == maxRetries || ctx.Err() != nil
		switch {
		case err == nil && (answer.StatusCode < 500 || last):
			return answer, nil
		case err != nil && (!passes(err) || last):
			return nil, err
		case err == nil:
			answer.Body.Close()
		}
		select {
		case <-time.After(delay):
			delay *= 2
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// passes reports whether an error may pass, so that a GET is worth another attempt.
func passes(err error) bool {
	var known *rpcerror.Error
	return !errors.As(err, &known) || known.Code == codes.Unavailable
}

// errPatience is the cause of a context that ended because the provider was silent.
var errPatience = errors.New("the provider was silent for too long")

// attempt sends a request once. Its timeout bounds every silence of the provider, up to
// the end of the body.
func (h *Handler) attempt(ctx context.Context, m *message, to *target) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	patience := m.patience()
	silence := time.AfterFunc(patience, func() { cancel(errPatience) })
	fail := func(err error) (*http.Response, error) {
		silence.Stop()
		if context.Cause(ctx) == errPatience {
			err = rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, "it did not answer within %s", patience)
		}
		cancel(nil)
		return nil, err
	}
	endpoint, err := h.reach(ctx, to)
	if err != nil {
		return fail(err)
	}
	var body io.Reader = http.NoBody
	if m.Method != http.MethodGet && m.Body != "" {
		body = strings.NewReader(m.Body)
	}
	req, err := http.NewRequestWithContext(ctx, m.Method, to.url.String(), body)
	if err != nil {
		return fail(err)
	}
	req.Header.Set("User-Agent", grpcwire.UserAgent)
	req.Header.Set("Content-Type", "application/json")
	if to.authorization != "" {
		req.Header.Set("Authorization", to.authorization)
	}
	// The transport goes to this provider only, verifies its certificate in the
	// handshake, and follows no redirect.
	answer, err := endpoint.Transport.RoundTrip(req)
	if err != nil {
		return fail(err)
	}
	silence.Reset(patience)
	answer.Body = &patientBody{ReadCloser: answer.Body, silence: silence, patience: patience, cancel: cancel}
	return answer, nil
}

// patience returns how long a provider may be silent.
func (m *message) patience() time.Duration {
	switch {
	case m.Timeout != nil && *m.Timeout > 0:
		return time.Duration(min(*m.Timeout*float64(time.Millisecond), float64(maxPatience)))
	case m.Method == http.MethodGet:
		return maxPatience
	}
	return slowPatience
}

// patientBody is the body of an answer, which ends if the provider is silent for too
// long.
type patientBody struct {
	io.ReadCloser
	silence  *time.Timer
	patience time.Duration
	cancel   context.CancelCauseFunc
	once     sync.Once
}

func (b *patientBody) Read(p []byte) (int, error) {
	b.silence.Reset(b.patience)
	n, err := b.ReadCloser.Read(p)
	b.silence.Stop() // the client may take its time
	return n, err
}

func (b *patientBody) Close() error {
	b.once.Do(func() {
		b.silence.Stop()
		b.cancel(nil)
	})
	return b.ReadCloser.Close()
}

// reach returns the REST gateway of a message's provider. No connection is opened yet.
func (h *Handler) reach(ctx context.Context, to *target) (*provider.Endpoint, error) {
	request := provider.Request{Address: to.provider, RESTOnly: true, ClientCertificate: to.certificate}
	if h.options.AllowHostOverride {
		request.HostURI = to.host.String()
	}
	endpoint, err := h.options.Reacher.Reach(ctx, request)
	if err != nil {
		return nil, err
	}
	if endpoint.HostURI != to.host.String() {
		return nil, rpcerror.About(to.provider, codes.PermissionDenied, rpcerror.New(codes.PermissionDenied, rpcerror.ReasonNotAllowed,
			"the URL's host %s is not the provider's, %s; ask for the provider's record again, or have the bridge's operator set --allow-host-override", to.host.Addr(), endpoint.Addr))
	}
	return endpoint, nil
}

// refuse answers with an error of this bridge.
func (h *Handler) refuse(w http.ResponseWriter, status int, err error, text string) {
	h.setReason(w, err)
	writeText(w, status, text)
}

// refuseBusy answers a request that was not admitted, and returns the status.
func (h *Handler) refuseBusy(w http.ResponseWriter, r *http.Request, err error) int {
	attrs := trace.Of(r.Context()).Attrs([]slog.Attr{protocol, slog.String("error", err.Error())})
	h.options.Logger.LogAttrs(r.Context(), slog.LevelInfo, "console request refused", attrs...)
	status := http.StatusServiceUnavailable
	var known *rpcerror.Error
	if errors.As(err, &known) {
		switch known.Reason {
		case rpcerror.ReasonTooManyCalls:
			status = http.StatusTooManyRequests
		case rpcerror.ReasonBridgeKeyRefused:
			status = http.StatusUnauthorized
		}
		if seconds := math.Ceil(known.RetryAfter.Seconds()); seconds > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
		}
	}
	h.refuse(w, status, err, err.Error())
	return status
}

func (h *Handler) setReason(w http.ResponseWriter, err error) {
	var known *rpcerror.Error
	if errors.As(err, &known) && known.Reason != "" {
		h.options.Failed(known.Reason)
		w.Header().Set(headerError, string(known.Reason))
	}
}

// refuseTarget answers a request that reached no provider, and returns the status.
func (h *Handler) refuseTarget(w http.ResponseWriter, to *target, err error) int {
	h.setReason(w, err)
	var known *rpcerror.Error
	errors.As(err, &known)
	wrong := func(path ...string) int {
		writeJSON(w, http.StatusBadRequest, invalid(issues{custom(known.Message, reason("invalid"), path...)}))
		return http.StatusBadRequest
	}
	switch code := certificateCode(err); {
	case code != "":
		writeText(w, statusInvalidCertificate, "Invalid certificate error: "+code)
		return statusInvalidCertificate
	case known == nil:
	case known.Reason == rpcerror.ReasonDestinationRefused, known.Reason == rpcerror.ReasonNotAllowed:
		return wrong("url")
	case known.Reason == rpcerror.ReasonUnknownProvider, known.Reason == rpcerror.ReasonMalformedAddress:
		return wrong("providerAddress")
	case known.Code == codes.Unauthenticated, known.Reason == rpcerror.ReasonMalformedMetadata:
		return wrong("auth", "certPem")
	case known.Reason == rpcerror.ReasonProviderProtocol:
		writeText(w, http.StatusBadRequest, "Could not establish tls connection since server responded with non-tls response")
		return http.StatusBadRequest
	}
	writeUnavailable(w, to)
	return http.StatusServiceUnavailable
}

func writeUnavailable(w http.ResponseWriter, to *target) {
	writeText(w, http.StatusServiceUnavailable, "Provider "+to.origin()+" is temporarily unavailable")
}

// certificateCodes are the protocol's codes for refused certificates of providers.
var certificateCodes = map[rpcerror.Reason]string{
	rpcerror.ReasonExpired:             "expired",
	rpcerror.ReasonNotYetValid:         "validInFuture",
	rpcerror.ReasonNotSelfSigned:       "notSelfSigned",
	rpcerror.ReasonWrongOwner:          "unknownCertificate",
	rpcerror.ReasonUnknownCertificate:  "unknownCertificate",
	rpcerror.ReasonRevoked:             "unknownCertificate",
	rpcerror.ReasonFingerprintMismatch: "fingerprintMismatch",
}

// certificateCode returns the code if err is the refusal of a provider's certificate,
// and otherwise "".
func certificateCode(err error) string {
	var known *rpcerror.Error
	if !errors.As(err, &known) || known.Code != codes.FailedPrecondition {
		return ""
	}
	return certificateCodes[known.Reason]
}

// answerFailure answers for a provider that answered 500. Providers before v0.11.2 do so
// for a manifest that they refuse, which is the client's mistake
// (proto/akash-provider-api.md, section 2.5).
func answerFailure(w http.ResponseWriter, to *target, answer *http.Response) (int, error) {
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxErrorBody))
	text := string(body)
	if said := strings.TrimSpace(text); strings.HasPrefix(said, "manifest cross-validation error:") ||
		strings.HasPrefix(said, "hostname not allowed:") || strings.Contains(said, "validation failed") {
		writeText(w, http.StatusBadRequest, text)
		return http.StatusBadRequest, nil
	}
	w.Header().Set(headerError, string(rpcerror.ReasonProviderFailed))
	writeUnavailable(w, to)
	return http.StatusServiceUnavailable, errors.New("the provider answered 500")
}

// passedOn are headers of answers that are passed on, besides those that guard.Metadata
// lists.
var passedOn = []string{"Content-Type", "Content-Length", "Content-Disposition", "Retry-After"}

// copyAnswer passes a provider's answer on, as it comes.
func (h *Handler) copyAnswer(w http.ResponseWriter, answer *http.Response) error {
	header := w.Header()
	for name, values := range answer.Header {
		if h.options.Metadata.Downstream(name) && header[name] == nil {
			header[name] = values
		}
	}
	for _, name := range passedOn {
		if values := answer.Header[name]; values != nil {
			header[name] = values
		}
	}
	header.Set("Cache-Control", "no-store")
	// A provider's page must not run on the bridge's origin.
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.WriteHeader(answer.StatusCode)
	control := http.NewResponseController(w)
	buffer := make([]byte, 32<<10)
	for sent := 0; ; {
		n, err := answer.Body.Read(buffer)
		if sent += n; sent > maxAnswerBody {
			return errCut
		}
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return errCut
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return errCut
		}
		if err := control.Flush(); err != nil {
			return errCut
		}
	}
}
