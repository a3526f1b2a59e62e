package provider

import "time"

// ShortenPatience makes the pool give up on providers that hang, and ping, n
// times sooner.
func (p *Pool) ShortenPatience(n time.Duration) {
	p.patience.connect /= n
	p.patience.handshake /= n
	p.patience.settings /= n
	p.patience.version /= n
	p.patience.silence /= n
	p.patience.pong /= n
}

// AwaitPorts makes the pool wait so long for a gRPC port whose provider answers over
// REST.
func (p *Pool) AwaitPorts(d time.Duration) { p.patience.ports = d }

// SpeaksGRPC is for tests.
var SpeaksGRPC = speaksGRPC
