package fake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	certv1 "akash-provider-web/proto/akash/cert/v1"
)

// Files of Options.State.
const (
	stateFile = "state.json"
	logFile   = "log.jsonl"
)

// portTimeout is how long to wait for a port that this fake used before: the system
// may have assigned it to an outgoing connection meanwhile.
const portTimeout = 10 * time.Second

// kept is the stored state of a fake: its addresses, its certificates and their
// records on the chain.
type kept struct {
	Seed         uint64            `json:"seed"`
	REST         string            `json:"rest"`
	GRPC         string            `json:"grpc,omitempty"`
	Chain        string            `json:"chain"`
	Control      string            `json:"control"`
	Genesis      time.Time         `json:"genesis"`
	Made         int               `json:"made"` // certificates so far
	Served       keptPair          `json:"served"`
	Client       keptPair          `json:"client"`
	Certificates []keptCertificate `json:"certificates"`
	// Block is the last one of the chain that anybody has seen; nil if nobody has.
	Block *keptBlock `json:"block,omitempty"`
}

// keptPair is a certificate with its key, PEM.
type keptPair struct {
	Cert []byte `json:"cert"`
	Key  []byte `json:"key"`
}

func pairOf(c *certificate) keptPair { return keptPair{c.pem, c.keyPEM} }

// keptCertificate is the chain's record of a certificate.
type keptCertificate struct {
	Owner  string `json:"owner"`
	Serial string `json:"serial"`
	State  int32  `json:"state"`
	Cert   []byte `json:"cert"`
	Pubkey []byte `json:"pubkey"`
}

// keptLine is an event of the logs: generated lines, written lines, the end of a log,
// a new replica or the replacement of a pod.
type keptLine struct {
	Service   string `json:"service"`
	Replica   int    `json:"replica"`
	Generated int64  `json:"generated,omitempty"`
	Text      []byte `json:"text,omitempty"`
	Ended     bool   `json:"ended,omitempty"`
	Grown     bool   `json:"grown,omitempty"`
	Replaced  bool   `json:"replaced,omitempty"`
}

// store stores a fake's state on disk. Data is passed to the system before a method
// returns, so it survives the process, though not the machine. The nil store stores
// nothing.
type store struct {
	folder  string
	resumed bool // whether there was a stored state
	history []keptLine

	mu    sync.Mutex
	state kept
	log   *os.File
}

// openStore loads the stored state of a fake with the given seed from a folder.
func openStore(folder string, seed uint64) (*store, error) {
	if folder == "" {
		return nil, nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	s := &store{folder: folder, state: kept{Seed: seed, Genesis: time.Now()}}
	text, err := os.ReadFile(filepath.Join(folder, stateFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("state: %w", err)
	default:
		var before kept
		if err := json.Unmarshal(text, &before); err != nil {
			return nil, fmt.Errorf("state: %s: %w", stateFile, err)
		}
		if before.Seed != seed {
			return nil, fmt.Errorf("state: %s is of seed %d, not %d", folder, before.Seed, seed)
		}
		// A fake that was killed before it was first ready has no state.
		if s.resumed = before.Control != ""; s.resumed {
			s.state = before
		}
	}
	if s.log, err = os.OpenFile(filepath.Join(folder, logFile), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if err := s.readLog(); err != nil {
		return nil, errors.Join(fmt.Errorf("state: %s: %w", logFile, err), s.log.Close())
	}
	return s, nil
}

// readLog reads the log, and removes an incomplete last line, which no reader can have
// seen.
func (s *store) readLog() error {
	text, err := io.ReadAll(s.log)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	if !s.resumed {
		whole = 0
	}
	if err := s.log.Truncate(int64(whole)); err != nil {
		return err
	}
	for line := range bytes.Lines(text[:whole]) {
		var l keptLine
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		s.history = append(s.history, l)
	}
	return nil
}

// append stores an event of the logs. A fake that cannot store an event must not
// publish it.
func (s *store) append(l keptLine) {
	if s == nil {
		return
	}
	text, err := json.Marshal(l)
	if err == nil {
		_, err = s.log.Write(append(text, '\n'))
	}
	if err != nil {
		panic(fmt.Errorf("keep the log: %w", err))
	}
}

// change stores the state after a change.
func (s *store) change(how func(*kept)) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	how(&s.state)
	text, err := json.MarshalIndent(s.state, "", "  ")
	if err != nil {
		return err
	}
	// The file is replaced atomically, whenever the process ends.
	path := filepath.Join(s.folder, stateFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// former returns the stored state, or nil if there was none.
func (s *store) former() *kept {
	if s == nil || !s.resumed {
		return nil
	}
	return &s.state
}

func (s *store) close() error {
	if s == nil {
		return nil
	}
	return s.log.Close()
}

// addresses returns the options' addresses, with open ones replaced by the previous
// ones.
func (s *store) addresses(o Options) Options {
	if k := s.former(); k != nil {
		o.REST, o.GRPC = chosen(o.REST, k.REST), chosen(o.GRPC, k.GRPC)
		o.Chain, o.Control = chosen(o.Chain, k.Chain), chosen(o.Control, k.Control)
	}
	return o
}

func chosen(address, before string) string {
	if _, port, err := net.SplitHostPort(cmp.Or(address, loopback)); err == nil && port == "0" {
		return cmp.Or(before, address)
	}
	return address
}

// listen listens on an address. If this fake used it before, listen waits a while
// until it is free.
func (s *store) listen(address string) (net.Listener, error) {
	for deadline := time.Now().Add(portTimeout); ; time.Sleep(20 * time.Millisecond) {
		listener, err := net.Listen("tcp", address)
		if err == nil || s.former() == nil || !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			return listener, err
		}
	}
}

// keptCertificates returns the certificates on the chain.
func (l *ledger) keptCertificates() []keptCertificate {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []keptCertificate
	for _, c := range l.records.certificates {
		all = append(all, keptCertificate{
			c.owner, c.serial.String(), int32(c.record.GetState()), c.record.GetCert(), c.record.GetPubkey(),
		})
	}
	return all
}

// restore restores what keptCertificates returned.
func (l *ledger) restore(all []keptCertificate) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range all {
		serial, ok := new(big.Int).SetString(c.Serial, 10)
		if !ok {
			return fmt.Errorf("state: serial number %q", c.Serial)
		}
		entry := chainCertificate{
			owner:  c.Owner,
			serial: serial,
			record: &certv1.Certificate{State: certv1.State(c.State), Cert: c.Cert, Pubkey: c.Pubkey},
		}
		l.records.publish(entry)
		l.pending = append(l.pending, certificateChanges(entry)...)
	}
	return nil
}

// keep stores an event that belongs to no single log.
func (b *logbook) keep(l keptLine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.store.append(l)
}

// remember makes the store store all further events of the logs.
func (b *logbook) remember(s *store) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.store = s
	for _, j := range b.journals {
		j.mu.Lock()
		j.store = s
		j.mu.Unlock()
	}
}

// replay replays the stored events of the logs.
func (w *workload) replay(history []keptLine) error {
	for _, l := range history {
		if l.Grown || l.Replaced {
			if err := w.repeat(l); err != nil {
				return fmt.Errorf("state: %w", err)
			}
			continue
		}
		j := w.logs.find(l.Service, l.Replica)
		switch {
		case j == nil:
			return fmt.Errorf("state: no replica %d of a service %q", l.Replica, l.Service)
		case l.Ended:
			j.end()
		case len(l.Text) > 0:
			j.write(l.Text)
		default:
			j.generate(l.Generated)
		}
	}
	return nil
}
