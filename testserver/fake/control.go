package fake

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// maxControlBody bounds a control request's body, in bytes.
const maxControlBody = 64 << 20

// State is a provider's state.
type State struct {
	Provider string  `json:"provider"`
	Crashed  bool    `json:"crashed"`
	Faults   []Fault `json:"faults"`
	// CertSHA256 and Serial are of the certificate being served.
	CertSHA256 string `json:"certSha256"`
	Serial     string `json:"serial"`
}

// controlHandler implements the API with which tests inspect and control the fake.
// Every route accepts provider=ADDRESS. Without it, a GET is about the first provider
// and a fault about all.
func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	handle := func(route string, handler func(http.ResponseWriter, *http.Request, *provider) error) {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			// Pages under test may use the API, too.
			w.Header().Set("Access-Control-Allow-Origin", "*")
			which, err := s.find(r.URL.Query().Get("provider"))
			if err == nil {
				r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
				err = handler(w, r, which[0])
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})
	}
	answer := func(w http.ResponseWriter, v any) error {
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(v)
	}

	handle("GET /status", func(w http.ResponseWriter, _ *http.Request, p *provider) error {
		now, _ := p.board.status(p.version)
		text, err := protojson.Marshal(now)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		_, err = w.Write(text)
		return err
	})
	// POST /status: with a body (protojson) gRPC reports that status from now on.
	// Without a body the cluster changes a little, for gRPC and REST.
	handle("POST /status", func(w http.ResponseWriter, r *http.Request, p *provider) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		var given *providerv1.Status
		if len(body) > 0 {
			given = &providerv1.Status{}
			if err := protojson.Unmarshal(body, given); err != nil {
				return err
			}
		}
		p.board.change(given)
		return nil
	})
	handle("GET /logs", func(w http.ResponseWriter, _ *http.Request, p *provider) error {
		all := []Log{}
		for _, j := range p.logs.all() {
			all = append(all, j.total())
		}
		return answer(w, all)
	})
	handle("GET /log", func(w http.ResponseWriter, r *http.Request, p *provider) error {
		j, err := p.journalOf(r)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		var at cursor
		var buf []byte
		for {
			buf = j.read(&at, buf[:0], maxChunk)
			if len(buf) == 0 {
				return nil
			}
			if _, err := w.Write(buf); err != nil {
				return nil // the test has disconnected
			}
		}
	})
	handle("POST /write", func(w http.ResponseWriter, r *http.Request, p *provider) error {
		j, err := p.journalOf(r)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if len(text) == 0 {
			return nil
		}
		if text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		j.write(text)
		p.logs.announce()
		return nil
	})
	// POST /rate?lines= sets the number of lines per second written while there are
	// followers.
	handle("POST /rate", func(_ http.ResponseWriter, r *http.Request, p *provider) error {
		n, err := strconv.Atoi(r.URL.Query().Get("lines"))
		if err != nil || n < 0 || n > maxLogRate {
			return fmt.Errorf("rate %q: want 0 to %d lines a second", r.URL.Query().Get("lines"), maxLogRate)
		}
		p.logs.setRate(n)
		return nil
	})
	handle("GET /streams", func(w http.ResponseWriter, _ *http.Request, p *provider) error {
		return answer(w, p.counters.snapshot())
	})
	handle("GET /requests", func(w http.ResponseWriter, _ *http.Request, p *provider) error {
		return answer(w, p.counters.seen())
	})
	handle("GET /state", func(w http.ResponseWriter, _ *http.Request, p *provider) error {
		return answer(w, p.state())
	})
	handle("POST /crash", func(_ http.ResponseWriter, _ *http.Request, p *provider) error {
		p.crash()
		return nil
	})
	handle("POST /revive", func(_ http.ResponseWriter, _ *http.Request, p *provider) error {
		return p.revive()
	})
	handle("POST /cut", func(_ http.ResponseWriter, _ *http.Request, p *provider) error {
		for _, l := range p.listeners() {
			l.cut()
		}
		return nil
	})
	// POST /fault?name=&node= and DELETE /fault?name=&node=: without a node, a chain's
	// fault is that of all.
	handle("POST /fault", func(_ http.ResponseWriter, r *http.Request, _ *provider) error {
		if r.URL.Query().Has("node") {
			return onNode(r, s.SetChainFault)
		}
		return s.SetFault(r.URL.Query().Get("name"), r.FormValue("provider"))
	})
	handle("DELETE /fault", func(_ http.ResponseWriter, r *http.Request, _ *provider) error {
		if r.URL.Query().Has("node") {
			return onNode(r, s.ClearChainFault)
		}
		return s.ClearFault(r.URL.Query().Get("name"), r.FormValue("provider"))
	})
	// GET /lies lists what nodes of the chain can lie about, POST /lie?name=&node= makes one
	// lie, and DELETE /lie?node= makes it honest. The first node is 1.
	handle("GET /lies", func(w http.ResponseWriter, _ *http.Request, _ *provider) error {
		return answer(w, ChainLies())
	})
	handle("POST /lie", func(_ http.ResponseWriter, r *http.Request, _ *provider) error {
		return onNode(r, func(node int, name string) error { return s.SetChainLie(node, ChainLie(name)) })
	})
	handle("DELETE /lie", func(_ http.ResponseWriter, r *http.Request, _ *provider) error {
		return onNode(r, func(node int, _ string) error { return s.SetChainLie(node, "") })
	})
	// POST /hijack and DELETE /hijack: whether the provider's true record names the
	// impostor's host.
	handle("POST /hijack", func(http.ResponseWriter, *http.Request, *provider) error { return s.Hijack(true) })
	handle("DELETE /hijack", func(http.ResponseWriter, *http.Request, *provider) error { return s.Hijack(false) })
	// GET /visits: what reached the impostor.
	handle("GET /visits", func(w http.ResponseWriter, _ *http.Request, _ *provider) error {
		visits, err := s.Visits()
		if err != nil {
			return err
		}
		return answer(w, visits)
	})
	// POST /answer?path=SUFFIX&status=CODE answers REST requests with a matching path
	// with the status and the body, until DELETE /answer?path=SUFFIX.
	handle("POST /answer", func(_ http.ResponseWriter, r *http.Request, p *provider) error {
		answer, err := readAnswer(r)
		if err == nil {
			p.answers.give(answer)
		}
		return err
	})
	handle("DELETE /answer", func(_ http.ResponseWriter, r *http.Request, p *provider) error {
		p.answers.take(r.URL.Query().Get("path"))
		return nil
	})
	handle("POST /lease", func(_ http.ResponseWriter, r *http.Request, p *provider) error { return s.recordLeases(r, p) })
	handle("POST /certificate", func(w http.ResponseWriter, r *http.Request, p *provider) error {
		if err := p.setCertificate(CertificateKind(r.URL.Query().Get("kind"))); err != nil {
			return err
		}
		return answer(w, p.state())
	})
	// GET /manifest: the manifest that the lease's deployment was ordered with. POST
	// /manifest changes the expected manifest on the chain, like an update of the
	// deployment.
	handle("GET /manifest", func(w http.ResponseWriter, _ *http.Request, p *provider) error {
		return answer(w, p.order.manifest())
	})
	handle("POST /manifest", func(_ http.ResponseWriter, r *http.Request, p *provider) error {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		return p.order.expect(text)
	})
	// GET /migrated: the hostnames and endpoints that were moved to the lease.
	handle("GET /migrated", func(w http.ResponseWriter, _ *http.Request, p *provider) error {
		return answer(w, map[string][]string{"hostnames": p.movedHostnames.list(), "endpoints": p.movedEndpoints.list()})
	})
	// POST /grow?service=&starting= starts another replica, POST
	// /replace?service=&replica=&update=&dip=&starting= replaces a pod, which writes the
	// lines in the body before it ends, and POST /started?service=&replica= ends the start
	// of a pod.
	handle("POST /grow", func(w http.ResponseWriter, r *http.Request, p *provider) error {
		starting, err := parseStarting(r.URL.Query())
		if err != nil {
			return err
		}
		pod, err := p.grow(r.URL.Query().Get("service"), starting)
		if err != nil {
			return err
		}
		return answer(w, pod)
	})
	handle("POST /replace", func(w http.ResponseWriter, r *http.Request, p *provider) error {
		j, err := p.journalOf(r)
		if err != nil {
			return err
		}
		how, err := parseReplacement(r)
		if err != nil {
			return err
		}
		pod, err := p.replace(j, how)
		if err != nil {
			return err
		}
		return answer(w, pod)
	})
	handle("POST /started", func(_ http.ResponseWriter, r *http.Request, p *provider) error {
		j, err := p.journalOf(r)
		if err != nil {
			return err
		}
		p.work.started(j)
		return nil
	})
	// POST /end?service=&replica= ends the log of a replica, and POST
	// /event?service=&reason=&note= adds a warning event.
	handle("POST /end", func(_ http.ResponseWriter, r *http.Request, p *provider) error {
		j, err := p.journalOf(r)
		if err != nil {
			return err
		}
		j.end()
		p.logs.announce()
		return nil
	})
	handle("POST /event", func(_ http.ResponseWriter, r *http.Request, p *provider) error {
		query := r.URL.Query()
		if !p.work.has(query.Get("service")) {
			return fmt.Errorf("no service %q", query.Get("service"))
		}
		p.work.warn(query.Get("service"), query.Get("reason"), query.Get("note"))
		return nil
	})
	// GET /shells: the number of running shell processes.
	handle("GET /shells", func(w http.ResponseWriter, _ *http.Request, p *provider) error {
		return answer(w, map[string]int64{"running": p.boxes.running.Load()})
	})
	handle("POST /token", func(w http.ResponseWriter, r *http.Request, p *provider) error {
		token, err := s.makeToken(p, r)
		if err != nil {
			return err
		}
		return answer(w, map[string]string{"token": token})
	})
	// POST /clock?ahead=DURATION: how far the clock that the provider verifies tokens by is
	// ahead of the machine's.
	handle("POST /clock", func(_ http.ResponseWriter, r *http.Request, p *provider) error {
		ahead, err := time.ParseDuration(r.URL.Query().Get("ahead"))
		if err != nil {
			return err
		}
		p.ahead.Store(int64(ahead))
		return nil
	})
	// POST /sign: the tenant's signature of the body, r and s in base64, as a wallet makes
	// it of what a page shows it.
	handle("POST /sign", func(w http.ResponseWriter, r *http.Request, _ *provider) error {
		message, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "text/plain")
		_, err = io.WriteString(w, base64.StdEncoding.EncodeToString(signSecp256k1(s.tenant.key, message)))
		return err
	})
	// POST /client-certificate?kind=&of= creates a client certificate of the tenant,
	// or of a stranger, who has no lease.
	handle("POST /client-certificate", func(w http.ResponseWriter, r *http.Request, _ *provider) error {
		owner := s.tenant
		switch of := r.URL.Query().Get("of"); of {
		case "", "tenant":
		case "stranger":
			owner = s.stranger
		default:
			return fmt.Errorf("of %q: want tenant or stranger", of)
		}
		c, err := s.clientCertificate(owner, CertificateKind(cmp.Or(r.URL.Query().Get("kind"), string(CertValid))))
		if err != nil {
			return err
		}
		return answer(w, map[string]string{"certPem": string(c.pem), "keyPem": string(c.keyPEM)})
	})
	return mux
}

// onNode calls a function with the node and the name of a request.
func onNode(r *http.Request, call func(node int, name string) error) error {
	query := r.URL.Query()
	node, err := strconv.Atoi(cmp.Or(query.Get("node"), "1"))
	if err != nil {
		return fmt.Errorf("node %q: want a number", query.Get("node"))
	}
	return call(node, query.Get("name"))
}

// makeToken creates a token: alg=ES256K|ES256KADR36, life and start (durations from
// now on, which may be negative), key=tenant|stranger|forged. A stranger's account has
// no public key on the chain; a forged token has the tenant's name and the stranger's
// signature. A JSON body replaces claims; null removes one.
func (s *Server) makeToken(p *provider, r *http.Request) (string, error) {
	query := r.URL.Query()
	life, err := time.ParseDuration(cmp.Or(query.Get("life"), "15m"))
	if err != nil {
		return "", err
	}
	start, err := time.ParseDuration(cmp.Or(query.Get("start"), "0s"))
	if err != nil {
		return "", err
	}
	issuer, signs := s.tenant, s.tenant
	switch key := query.Get("key"); key {
	case "", "tenant":
	case "stranger":
		issuer, signs = s.stranger, s.stranger
	case "forged":
		signs = account{key: s.stranger.key, address: s.tenant.address}
	default:
		return "", fmt.Errorf("key %q: want tenant, stranger or forged", key)
	}
	now := time.Now()
	c := claims(issuer, now.Add(start), life-start, fullAt(p.address()))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	if len(body) > 0 {
		var changes map[string]any
		if err := json.Unmarshal(body, &changes); err != nil {
			return "", err
		}
		for name, value := range changes {
			if value == nil {
				delete(c, name)
			} else {
				c[name] = value
			}
		}
	}
	return sign(signs, cmp.Or(query.Get("alg"), algES256K), c)
}

// journalOf returns the journal selected by a request's service and replica, or by its
// pod if the replica had several.
func (p *provider) journalOf(r *http.Request) (*journal, error) {
	// The body is the text of a log and must not be parsed as a form.
	query := r.URL.Query()
	index, err := strconv.Atoi(query.Get("replica"))
	if err != nil {
		return nil, fmt.Errorf("replica %q: want a number", query.Get("replica"))
	}
	j := p.logs.find(query.Get("service"), index)
	if pod := query.Get("pod"); pod != "" {
		j = p.logs.ofPod(pod)
	}
	if j == nil {
		return nil, fmt.Errorf("no replica %d of a service %q", index, query.Get("service"))
	}
	return j, nil
}

// state returns the provider's state.
func (p *provider) state() State {
	c := p.certificate()
	return State{
		Provider:   p.address(),
		Crashed:    p.isCrashed(),
		Faults:     p.faults.names(),
		CertSHA256: c.sha256,
		Serial:     c.decimals,
	}
}
