package fake

import (
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TEE is the trusted execution environment that a lease runs in, by the name that its
// attestation sidecar gives it; "" is none.
type TEE string

// The environments.
const (
	TEENone   TEE = ""
	TEESNP    TEE = "snp"
	TEETDX    TEE = "tdx"
	TEESNPGPU TEE = "snp-gpu"
	TEETDXGPU TEE = "tdx-gpu"
)

// attestationNonce is the length of a nonce and of report data, in bytes.
const attestationNonce = 64

// maxQuoteBody is how much of a request's body the gateway reads, in bytes.
const maxQuoteBody = 4096

// sidecar attests the lease (proto/akash-provider-api.md, section 2.12).
type sidecar struct {
	tee  TEE
	seed uint64

	mu   sync.Mutex
	last *[attestationNonce]byte // the report data of the quote before
}

// quoteJSON is a quote as the sidecar writes it.
type quoteJSON struct {
	Report     string         `json:"report"`
	CertChain  string         `json:"cert_chain"`
	Platform   TEE            `json:"tee_platform"`
	AuxBlob    string         `json:"auxblob"`
	GPUReports []gpuQuoteJSON `json:"gpu_reports,omitempty"`
	TLSBound   bool           `json:"tls_bound"`
}

type gpuQuoteJSON struct {
	DeviceIndex uint32 `json:"device_index"`
	Report      string `json:"report"`
}

// quote answers a request as the provider's call of the sidecar does: with a quote, or
// with a status and the provider's words.
func (p *provider) quote(id Lease, body []byte) (*quoteJSON, int, string) {
	const rejected = "proxy to attestation sidecar: the server rejected our request for an unknown reason"
	s := &p.sidecar
	switch {
	case p.faults.has(FaultKubeDown):
		return nil, http.StatusNotFound, kubeUnreachable
	case id != p.work.lease:
		return nil, http.StatusNotFound, noLease
	case s.tee == TEENone || p.faults.has(FaultNoPods):
		return nil, http.StatusNotFound, "no running pod with attestation sidecar in namespace " + id.namespace()
	}
	var request struct {
		Nonce   string `json:"nonce"`
		BindTLS bool   `json:"bind_tls"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, http.StatusBadRequest, rejected
	}
	nonce, err := base64.StdEncoding.DecodeString(request.Nonce)
	if err != nil || len(nonce) != attestationNonce {
		return nil, http.StatusBadRequest, rejected
	}
	data := [attestationNonce]byte(nonce)
	if request.BindTLS {
		data = boundReportData(s.publicKey(), nonce)
	}
	s.mu.Lock()
	if p.faults.has(FaultQuoteReplay) && s.last != nil {
		data = *s.last
	}
	s.last = &data
	s.mu.Unlock()
	q := &quoteJSON{
		Report:   base64.StdEncoding.EncodeToString(s.report(data)),
		Platform: s.tee,
		TLSBound: request.BindTLS,
	}
	if strings.HasSuffix(string(s.tee), "-gpu") {
		for i := range uint32(2) {
			report := derive(s.seed, "gpu", i, string(data[:32]))
			q.GPUReports = append(q.GPUReports, gpuQuoteJSON{i, base64.StdEncoding.EncodeToString(append(report[:], data[:32]...))})
		}
	}
	return q, http.StatusOK, ""
}

// report returns an attestation report with the layout of the real one and a signature
// that is worth nothing.
func (s *sidecar) report(data [attestationNonce]byte) []byte {
	if strings.HasPrefix(string(s.tee), "tdx") {
		// A TD quote, version 4: header, body, and the length of the signature.
		q := make([]byte, 48+584, 48+584+4+64)
		binary.LittleEndian.PutUint16(q[0:], 4)    // version
		binary.LittleEndian.PutUint16(q[2:], 2)    // ECDSA-P256
		binary.LittleEndian.PutUint32(q[4:], 0x81) // TDX
		measured := derive(s.seed, "mrtd")
		copy(q[48+136:], measured[:])
		copy(q[48+520:], data[:])
		q = binary.LittleEndian.AppendUint32(q, 64)
		return append(q, make([]byte, 64)...)
	}
	// An ATTESTATION_REPORT of SEV-SNP, version 2.
	r := make([]byte, 1184)
	binary.LittleEndian.PutUint32(r[0:], 2)
	copy(r[0x50:], data[:])
	measured := derive(s.seed, "measurement")
	copy(r[0x90:], measured[:])
	return r
}

// publicKey is that of the sidecar's TLS certificate, DER.
func (s *sidecar) publicKey() []byte {
	key := certificateKey(s.seed, "sidecar")
	public, _ := x509.MarshalPKIXPublicKey(&key.PublicKey) // which it can always be
	return public
}

// boundReportData is SHA-512 of a TLS key and a nonce.
func boundReportData(publicKey, nonce []byte) [attestationNonce]byte {
	return sha512.Sum512(append(slices.Clone(publicKey), nonce...))
}

// postQuote serves the route of attestation.
func (p *provider) postQuote(w http.ResponseWriter, r *http.Request, id Lease) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxQuoteBody))
	if err != nil {
		http.Error(w, "failed to read request body", http.StatusBadRequest)
		return
	}
	q, code, text := p.quote(id, body)
	if q == nil {
		http.Error(w, "attestation quote failed: "+text, code)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(q)
}

// quoteStatus is the gRPC status of a quote that was refused with an HTTP status.
func quoteStatus(code int, text string) error {
	to := codes.Internal
	switch {
	case code == http.StatusNotFound:
		to = codes.NotFound
	case code == http.StatusBadGateway:
		to = codes.Unavailable
	case code >= 400 && code < 500:
		to = codes.InvalidArgument
	}
	return status.Error(to, fmt.Sprintf("attestation quote: %s", text))
}
