package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/btcsuite/btcd/btcutil/bech32"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/guard"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

//go:embed testdata/destinations.txt
var hostileDestinations string

// destination is a host that the bridge must not connect to.
type destination struct {
	uri       string
	malformed bool
	says      string // the reason why it is refused, if it is well-formed
	provider  string // the address of the provider whose record names it
}

// neighbourhood is what surrounds a bridge that is attacked: a chain with a record for each
// hostile destination, a DNS server for their names, and a listener on every address of
// this machine, which must not be reached.
type neighbourhood struct {
	destinations []destination
	chain        string
	reached      atomic.Int32 // connections to the listener

	mu      sync.Mutex
	sockets []string // addresses that the bridge was about to connect to
	answers map[string]func() []dnsmessage.ResourceBody
}

func newNeighbourhood(t *testing.T) *neighbourhood {
	t.Helper()
	n := &neighbourhood{answers: map[string]func() []dnsmessage.ResourceBody{}}
	port := n.listen(t)
	records := map[string]string{}
	for line := range strings.Lines(hostileDestinations) {
		class, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if class == "" || class == "#" {
			continue
		}
		rest = strings.ReplaceAll(strings.TrimLeft(rest, " "), "{port}", port)
		what, says, _ := strings.Cut(rest, " => ")
		d := destination{uri: what, says: says}
		name := fmt.Sprintf("name-%d.hostile.example.com", len(n.destinations))
		switch class {
		case "malformed":
			d.malformed = true
		case "refused":
		case "resolves":
			n.resolve(name, addressBody(netip.MustParseAddr(what)))
			d.uri = "https://" + name + ":" + port
		case "alias":
			alias, address, _ := strings.Cut(what, " ")
			n.resolve(name, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(alias + ".")}, addressBody(netip.MustParseAddr(address)))
			d.uri = "https://" + name + ":" + port
		default:
			require.Fail(t, "unknown class", line)
		}
		require.True(t, d.malformed == (d.says == ""), "%q has no reason", line)
		d.provider = accountOf(t, strconv.Itoa(len(n.destinations))+d.uri)
		records[d.provider] = d.uri
		n.destinations = append(n.destinations, d)
	}
	require.GreaterOrEqual(t, len(n.destinations), 250)
	n.chain = serveRecords(t, records)
	n.serveDNS(t)
	testHookControl = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.sockets = append(n.sockets, address)
		if netip.MustParseAddrPort(address).Addr().IsLoopback() {
			return nil
		}
		return errors.New("this test connects to this machine only")
	}
	t.Cleanup(func() { testHookControl = nil })
	return n
}

// accountOf returns a provider's address that is made of text.
func accountOf(t *testing.T, text string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	address, err := bech32.EncodeFromBase256("akash", sum[:20])
	require.NoError(t, err)
	return address
}

// listen accepts and counts connections to any address of this machine. Its port is not
// one that the system gives to other tests, which may connect to a port that was theirs.
func (n *neighbourhood) listen(t *testing.T) (port string) {
	t.Helper()
	var listener net.Listener
	for listener == nil {
		port := 20_000 + rand.IntN(10_000)
		if (guard.Destinations{}).Port(uint16(port)) == nil {
			listener, _ = net.Listen("tcp", ":"+strconv.Itoa(port))
		}
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n.reached.Add(1)
			conn.Close()
		}
	})
	t.Cleanup(func() { listener.Close(); accepting.Wait() })
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// serveRecords is the REST API of a chain node whose providers have these host URIs.
func serveRecords(t *testing.T, records map[string]string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		owner := path.Base(r.URL.Path)
		uri, ok := records[owner]
		if !ok {
			http.Error(w, `{"code":5,"message":"not found"}`, http.StatusNotFound)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"provider": map[string]any{"owner": owner, "host_uri": uri}})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// resolve lets name resolve to bodies.
func (n *neighbourhood) resolve(name string, bodies ...dnsmessage.ResourceBody) {
	n.resolveWith(name, func() []dnsmessage.ResourceBody { return bodies })
}

// resolveWith lets name resolve to what find returns for each question.
func (n *neighbourhood) resolveWith(name string, find func() []dnsmessage.ResourceBody) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers[name+"."] = find
}

func addressBody(a netip.Addr) dnsmessage.ResourceBody {
	if a.Is4() {
		return &dnsmessage.AResource{A: a.As4()}
	}
	return &dnsmessage.AAAAResource{AAAA: a.As16()}
}

// serveDNS answers the bridge's questions for names.
func (n *neighbourhood) serveDNS(t *testing.T) {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		packet := make([]byte, 1500)
		for {
			size, from, err := socket.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(packet[:size]) != nil || len(m.Questions) != 1 {
				continue
			}
			n.answer(&m)
			if reply, err := m.Pack(); assert.NoError(t, err) {
				socket.WriteTo(reply, from)
			}
		}
	})
	usual := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = usual
		socket.Close()
		serving.Wait()
	})
}

func (n *neighbourhood) answer(m *dnsmessage.Message) {
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	question := m.Questions[0]
	n.mu.Lock()
	find, ok := n.answers[question.Name.String()]
	n.mu.Unlock()
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
		return
	}
	name := question.Name
	for _, body := range find() {
		header := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}
		switch body := body.(type) {
		case *dnsmessage.CNAMEResource:
			name = body.CNAME
		case *dnsmessage.AResource:
			if question.Type != dnsmessage.TypeA {
				continue
			}
		case *dnsmessage.AAAAResource:
			if question.Type != dnsmessage.TypeAAAA {
				continue
			}
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: body})
	}
}

// connections returns where the bridge was about to connect to, and forgets it.
func (n *neighbourhood) connections() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	sockets := n.sockets
	n.sockets = nil
	return sockets
}

// refusal is how a call ended.
type refusal struct {
	code   codes.Code
	reason string
	text   string
}

// call asks for a provider's status in gRPC-Web.
func (p *process) call(t *testing.T, path string, header http.Header) refusal {
	t.Helper()
	s, messages, err := p.Call(t.Context(), path, header, &emptypb.Empty{})
	require.NoError(t, err)
	assert.Empty(t, messages)
	return refusal{s.Code(), s.Get("akash-error"), s.Message()}
}

// consoleRequest asks for a provider's status in the protocol of Console's proxy.
func (p *process) consoleRequest(t *testing.T, d destination) (status int, reason, text string) {
	t.Helper()
	response, text := p.consoleSend(t, "/", "", map[string]any{"method": "GET", "url": d.uri, "providerAddress": d.provider})
	return response.StatusCode, response.Header.Get("Akash-Error"), text
}

// consoleSocket opens a provider's WebSocket in the protocol of Console's proxy, and
// returns the first message of the answer.
func (p *process) consoleSocket(t *testing.T, conn *websocket.Conn, d destination) string {
	t.Helper()
	open, err := json.Marshal(map[string]any{"type": "websocket", "url": d.uri, "providerAddress": d.provider})
	require.NoError(t, err)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, open))
	_, text, err := conn.Read(t.Context())
	require.NoError(t, err)
	if !strings.Contains(string(text), `"errors"`) { // "closed" follows, if a provider was looked for
		_, _, err := conn.Read(t.Context())
		require.NoError(t, err)
	}
	return string(text)
}

// hostileCalls are the ways to make the bridge connect to a host.
var hostileCalls = []struct {
	name string
	args []string
	try  func(t *testing.T, p *process, d destination)
}{
	{"chain record", nil, func(t *testing.T, p *process, d destination) {
		r := p.call(t, pathGetStatus, http.Header{"Akash-Provider": {d.provider}})
		requireRefused(t, d, r, codes.NotFound, "hostNotFound", "leads nowhere")
	}},
	{"chain record, provider in the path", nil, func(t *testing.T, p *process, d destination) {
		r := p.call(t, "/"+d.provider+pathStreamStatus, nil)
		requireRefused(t, d, r, codes.NotFound, "hostNotFound", "leads nowhere")
	}},
	{"chain record, version unchecked", nil, func(t *testing.T, p *process, d destination) {
		r := p.call(t, pathGetStatus, http.Header{"Akash-Provider": {d.provider}, "Akash-Check-Version": {"false"}})
		requireRefused(t, d, r, codes.NotFound, "hostNotFound", "leads nowhere")
	}},
	{"header", []string{"--allow-host-override", "--allow-insecure"}, func(t *testing.T, p *process, d destination) {
		r := p.call(t, pathGetStatus, http.Header{"Akash-Provider": {d.provider}, "Akash-Host-Uri": {d.uri}, "Akash-Tls": {"insecure"}})
		requireRefused(t, d, r, codes.InvalidArgument, "malformedMetadata", "akash-host-uri is malformed")
	}},
	{"console request", nil, tryConsole},
	{"console request, any host", []string{"--allow-host-override"}, tryConsole},
	{"provider in the path", nil, func(t *testing.T, p *process, d destination) {
		// Neither names a host, however the path is written.
		for _, path := range []string{"/" + d.uri + pathGetStatus, "/akash1" + d.uri + pathGetStatus} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL, strings.NewReader("{}"))
			require.NoError(t, err)
			r.URL.Opaque = strings.NewReplacer("%", "%25", " ", "%20").Replace(path)
			r.Header.Set("Content-Type", "application/json")
			response, err := p.HTTP.Do(r)
			if err == nil {
				response.Body.Close()
				assert.GreaterOrEqual(t, response.StatusCode, 400, d.uri)
			}
		}
	}},
}

func tryConsole(t *testing.T, p *process, d destination) {
	status, reason, text := p.consoleRequest(t, d)
	assert.Equal(t, http.StatusBadRequest, status, "%s: %s", d.uri, text)
	if reason == "" { // before a provider is looked for
		assert.Contains(t, text, `"url"`, d.uri)
		return
	}
	require.False(t, d.malformed, d.uri)
	assert.Equal(t, "destinationRefused", reason, d.uri)
	assert.Contains(t, text, d.says, d.uri)
}

// requireRefused checks how a call ended: as said if the host URI is malformed, and
// otherwise with the destination's reason.
func requireRefused(t *testing.T, d destination, r refusal, code codes.Code, reason, says string) {
	t.Helper()
	if !d.malformed {
		code, reason, says = codes.PermissionDenied, "destinationRefused", d.says
	}
	assert.Equal(t, code, r.code, "%s: %s", d.uri, r.text)
	assert.Equal(t, reason, r.reason, "%s: %s", d.uri, r.text)
	assert.Contains(t, r.text, says, d.uri)
	assert.NotContains(t, r.text, "secret", d.uri)
}

// Nobody can make the bridge connect to its own machine or network, or to services that
// are not providers, in any notation and by any of the ways to name a provider's host.
func TestNoHostileDestinationIsReached(t *testing.T) {
	n := newNeighbourhood(t)
	for _, way := range hostileCalls {
		ok := t.Run(way.name, func(t *testing.T) {
			p := start(t, append([]string{"--chain-rest", n.chain}, way.args...)...)
			for _, d := range n.destinations {
				if way.try(t, p, d); t.Failed() {
					break // others would be connected to, and time out
				}
			}
			n.requireNoneReached(t)
		})
		if !ok {
			return
		}
	}
	t.Run("console socket", func(t *testing.T) {
		for _, args := range [][]string{nil, {"--allow-host-override"}} {
			p := start(t, append([]string{"--chain-rest", n.chain}, args...)...)
			conn, _, err := websocket.Dial(t.Context(), p.URL+"/ws", &websocket.DialOptions{HTTPClient: p.HTTP})
			require.NoError(t, err)
			for _, d := range n.destinations {
				text := p.consoleSocket(t, conn, d)
				if !strings.Contains(text, `"path":["url"]`) {
					assert.Contains(t, text, d.says, d.uri)
					assert.False(t, d.malformed, "%s: %s", d.uri, text)
				}
			}
			conn.CloseNow()
		}
		n.requireNoneReached(t)
	})
	t.Run("flag", func(t *testing.T) {
		args := []string{"--chain-rest", n.chain}
		for _, d := range n.destinations {
			flag := []string{"--provider", d.provider + "=" + d.uri}
			if !d.malformed {
				args = append(args, flag...)
				continue
			}
			_, err := parseConfig(flag, nil, nil)
			if assert.Error(t, err, d.uri) {
				assert.ErrorAs(t, err, new(usageError))
			}
		}
		p := start(t, args...)
		for _, d := range n.destinations {
			if !d.malformed {
				r := p.call(t, pathGetStatus, http.Header{"Akash-Provider": {d.provider}})
				requireRefused(t, d, r, 0, "", "")
			}
		}
		n.requireNoneReached(t)
	})
	// The listener and the hook would notice.
	t.Run("allowed", func(t *testing.T) {
		p := start(t, "--chain-rest", n.chain, "--allow-private-networks")
		p.call(t, pathGetStatus, http.Header{"Akash-Provider": {n.destinations[0].provider}})
		assert.NotZero(t, n.reached.Load())
		assert.NotEmpty(t, n.connections())
	})
}

func (n *neighbourhood) requireNoneReached(t *testing.T) {
	t.Helper()
	assert.Zero(t, n.reached.Load(), "the listener was reached")
	assert.Empty(t, n.connections(), "sockets were opened")
}

// A name may have a public address when it is looked up first, and another one later or
// beside it.
func TestANameThatChangesItsAddressLeadsNowhere(t *testing.T) {
	n := newNeighbourhood(t)
	public, private := addressBody(netip.MustParseAddr("1.1.1.1")), addressBody(netip.MustParseAddr("127.0.0.1"))
	const rebinding, mixed = "rebinding.hostile.example.com", "mixed.hostile.example.com"
	var asked atomic.Int32
	n.resolveWith(rebinding, func() []dnsmessage.ResourceBody {
		if asked.Add(1) <= 2 { // a question for each kind of address
			return []dnsmessage.ResourceBody{public}
		}
		return []dnsmessage.ResourceBody{private}
	})
	n.resolve(mixed, private, public, addressBody(netip.MustParseAddr("::1")))
	_, port, err := net.SplitHostPort(strings.TrimPrefix(n.destinations[0].uri, "https://"))
	require.NoError(t, err)
	p := start(t, "--chain-rest", n.chain, "--grpc-port", port,
		"--provider", accountOf(t, rebinding)+"=https://"+rebinding+":"+port,
		"--provider", accountOf(t, mixed)+"=https://"+mixed+":"+port)
	for _, name := range []string{rebinding, mixed} {
		header := http.Header{"Akash-Provider": {accountOf(t, name)}}
		assert.Equal(t, "providerUnreachable", p.call(t, pathGetStatus, header).reason)
		sockets := map[string]bool{}
		for _, address := range n.connections() {
			sockets[address] = true
		}
		assert.Equal(t, []string{"1.1.1.1:" + port}, slices.Collect(maps.Keys(sockets)))
		if name == rebinding {
			r := p.call(t, pathGetStatus, header)
			assert.Equal(t, "destinationRefused", r.reason, r.text)
			assert.Empty(t, n.connections())
		}
	}
	assert.Zero(t, n.reached.Load())
}

// A provider that redirects cannot lead the bridge, and a caller's token, elsewhere.
func TestRedirectsOfAProviderAreNotFollowed(t *testing.T) {
	n := newNeighbourhood(t)
	elsewhere := n.destinations[0].uri
	var asked atomic.Int32
	gateway := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, strings.Replace(elsewhere, "https://", []string{"https://", "http://"}[asked.Load()%2], 1)+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(gateway.Close)
	someone := accountOf(t, "redirects")
	p := start(t, "--chain-rest", serveRecords(t, map[string]string{someone: gateway.URL}), "--allow-private-networks")
	pin := sha256.Sum256(gateway.Certificate().Raw)
	header := http.Header{"Akash-Provider": {someone}, "Akash-Tls": {"sha256=" + hex.EncodeToString(pin[:])}, "Authorization": {"Bearer a.b.c"}}
	lease := &marketv1.LeaseID{Owner: accountOf(t, "owner"), Dseq: 1, Gseq: 1, Oseq: 1, Provider: someone}
	for path, request := range map[string]proto.Message{
		pathGetStatus:    &emptypb.Empty{},
		pathServices:     &leasev1.ServiceStatusRequest{LeaseId: lease},
		pathLogs:         &leasev1.ServiceLogsRequest{LeaseId: lease}, // a WebSocket
		pathGetManifest:  &webv1.GetManifestRequest{LeaseId: lease},
		pathSendManifest: &webv1.SendManifestRequest{LeaseId: lease, Manifest: []byte("[]")},
	} {
		before := asked.Load()
		s, messages, err := p.Call(t.Context(), path, header, request)
		require.NoError(t, err)
		assert.Empty(t, messages)
		assert.NotEqual(t, codes.OK, s.Code(), path)
		assert.Contains(t, s.Message(), "307", path)
		assert.Greater(t, asked.Load(), before, path)
	}
	assert.Zero(t, n.reached.Load())
}
