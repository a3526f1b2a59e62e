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

// SpeaksGRPC is for tests.
var SpeaksGRPC = speaksGRPC
