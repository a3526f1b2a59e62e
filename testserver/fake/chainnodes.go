package fake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxChainNodes bounds Options.ChainNodes.
const maxChainNodes = 100

// ChainNodeInfo describes one of several nodes of the chain.
type ChainNodeInfo struct {
	URL string `json:"url"`
	// Lie is the lie that the node tells, "" if it is honest.
	Lie ChainLie `json:"lie,omitempty"`
}

// chainNode is a node of the chain with the CometBFT RPC and, on the same port, the REST
// API of the Cosmos SDK. All nodes serve the same chain, and each may lie about it.
type chainNode struct {
	server   *Server
	chain    *blockchain
	listener *listener
	faults   faults
	counters *counters

	mu  sync.Mutex
	lie *liar // nil in an honest node
}

// addNodes creates the nodes of the chain and opens their ports.
func (s *Server) addNodes() ([]webServer, error) {
	var servers []webServer
	for i := range s.options.ChainNodes {
		address := loopback
		if i == 0 {
			address = cmp.Or(s.options.Chain, loopback)
		}
		inner, err := s.store.listen(address)
		if err != nil {
			for _, one := range servers {
				one.listener.Close()
			}
			return nil, fmt.Errorf("chain: %w", err)
		}
		n := &chainNode{server: s, chain: s.chain, listener: newListener(inner, nil), counters: s.providers[0].counters}
		s.nodes = append(s.nodes, n)
		servers = append(servers, webServer{n.listener, n})
		if s.options.ChainNodes > 1 {
			s.ready.ChainNodes = append(s.ready.ChainNodes, ChainNodeInfo{URL: n.url()})
		}
	}
	return servers, nil
}

func (n *chainNode) url() string { return "http://" + n.listener.Addr().String() }

func (n *chainNode) setFault(name Fault, delay time.Duration) {
	n.faults.put(name, delay)
	if name == FaultChainDown {
		n.listener.shut()
	}
}

func (n *chainNode) clearFault(name Fault) error {
	n.faults.remove(name)
	if name == FaultChainDown {
		return n.listener.open()
	}
	return nil
}

// node returns the node with a number, which begins at 1.
func (s *Server) node(number int) (*chainNode, error) {
	if number < 1 || number > len(s.nodes) {
		return nil, fmt.Errorf("no chain node %d: want 1 to %d", number, len(s.nodes))
	}
	return s.nodes[number-1], nil
}

// SetChainFault activates a fault of one node of the chain. Nodes are counted from 1.
func (s *Server) SetChainFault(node int, fault string) error {
	name, delay, err := parseFault(fault)
	if err != nil {
		return err
	}
	n, err := s.node(node)
	switch {
	case err != nil:
		return err
	case !name.onChain():
		return fmt.Errorf("%s is no fault of a chain node", name)
	}
	n.setFault(name, delay)
	return nil
}

// ClearChainFault deactivates a fault of one node of the chain.
func (s *Server) ClearChainFault(node int, fault string) error {
	name, _, err := parseFault(fault)
	if err != nil {
		return err
	}
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.clearFault(name)
}

// SetChainLie makes a node of the chain tell a lie from now on, instead of the one that
// it tells so far; "" makes it honest. Nodes are counted from 1. It requires
// Options.Impostor.
func (s *Server) SetChainLie(node int, lie ChainLie) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	var told *liar
	if lie != "" {
		if told, err = s.newLiar(n, lie); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lie = told
	return nil
}

// ChainLie returns the lie that a node tells.
func (s *Server) ChainLie(node int) (ChainLie, error) {
	n, err := s.node(node)
	if err != nil {
		return "", err
	}
	if told := n.told(); told != nil {
		return told.name, nil
	}
	return "", nil
}

// told returns the lie that the node tells, nil if it is honest.
func (n *chainNode) told() *liar {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lie
}

// startLie sets a lie given as NODE:LIE.
func (s *Server) startLie(text string) error {
	number, lie, ok := strings.Cut(text, ":")
	node, err := strconv.Atoi(number)
	if !ok || err != nil {
		return fmt.Errorf("lie %q: want NODE:LIE, such as 2:forged-host", text)
	}
	if err := s.SetChainLie(node, ChainLie(lie)); err != nil {
		return err
	}
	if len(s.ready.ChainNodes) > 0 {
		s.ready.ChainNodes[node-1].Lie = ChainLie(lie)
	}
	return nil
}

// view returns what the node says that the chain is.
func (n *chainNode) view() view {
	v := n.chain.now()
	if told := n.told(); told != nil {
		return told.view(v)
	}
	return v
}

// shown returns the result of a method as the node shows it: as it is, or, with a lie about
// it, changed as JSON.
func (n *chainNode) shown(method string, result any) any {
	told := n.told()
	if told == nil || told.result == nil || result == nil {
		return result
	}
	text, err := json.Marshal(result)
	if err != nil {
		panic(err) // cannot happen for this package's results
	}
	var changed map[string]any
	if json.Unmarshal(text, &changed) != nil {
		return result
	}
	told.result(told, method, changed)
	return changed
}
