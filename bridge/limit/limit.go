// Package limit shares the bridge between its callers: it knows who calls, and refuses
// a call of a caller that already has its share, so that no caller shuts out the others.
package limit

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// Options are the limits of a Limiter.
type Options struct {
	// Open is the number of calls that may be open at once, of all callers.
	Open int
	// OpenPerCaller is the number of calls that one address may have open at once; 0
	// leaves it to the share that is fair (see Limiter).
	OpenPerCaller int
	// Rate is the number of calls a second that one address may begin, with Burst at
	// once; 0 means any. It does not apply to 127.0.0.1 and ::1: those are proxies and
	// programs on the bridge's own machine.
	Rate  float64
	Burst int
	// Waiting is the number of bytes of requests that may be in memory at once, of all
	// callers, until they are complete and sent on; 0 means any.
	Waiting int64
}

const (
	// always is the number of calls that any caller may have open while there is
	// capacity, however many others have.
	always = 32
	// originWeight is how many times the free capacity an origin may have. All calls of
	// a bridge may be of one origin, which therefore gets nearly everything.
	originWeight = 8
	// maxIdle bounds the remembered addresses that have no call open.
	maxIdle = 10_000
	// minRetry is the least time after which a refused caller is asked to try again, and
	// half of the most. A random delay keeps callers from returning at once.
	minRetry = time.Second
)

// Reasons of a refusal, for the metric.
const (
	ByTotal   = "total"
	ByCaller  = "caller"
	ByOrigin  = "origin"
	ByRate    = "rate"
	ByWaiting = "waiting"
)

// Refusals are all reasons of a refusal.
var Refusals = []string{ByTotal, ByCaller, ByOrigin, ByRate, ByWaiting}

// Limiter admits calls. A caller may open another call while it has at most as many open
// as are still free: one caller gets half of the bridge, two get a third each, and there
// is always something left for the next one. (This is the dynamic threshold of Choudhury
// and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998.)
// The bytes that wait are shared in the same way.
type Limiter struct {
	refused func(by string)
	now     func() time.Time

	mu      sync.Mutex
	options Options
	open    int
	waiting int64
	callers map[netip.Addr]*account
	origins map[string]int // open calls
	idle    int            // callers without open calls
}

// account is what one address uses.
type account struct {
	open    int
	waiting int64
	rate    *rate.Limiter // nil if calls a second are not limited
}

// New returns a Limiter. refused, which may be nil, is called with the reason of each
// refusal.
func New(o Options, refused func(by string)) *Limiter {
	if refused == nil {
		refused = func(string) {}
	}
	return &Limiter{options: o, refused: refused, now: time.Now, callers: map[netip.Addr]*account{}, origins: map[string]int{}}
}

// Set changes the limits. Calls that are open stay open.
func (l *Limiter) Set(o Options) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.options = o
	for _, a := range l.callers {
		a.rate = nil // made anew with the next call
	}
}

// Full reports whether no call can be admitted, whoever makes it.
func (l *Limiter) Full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open >= l.options.Open
}

// Open returns the number of open calls.
func (l *Limiter) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Max returns the number of calls that may be open at once.
func (l *Limiter) Max() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.options.Open
}

// Call is an admitted call. Its methods may be called concurrently.
type Call struct {
	limiter *Limiter
	account *account
	network netip.Addr
	origin  string
	waiting int64 // guarded by the limiter's mu
	done    bool  // likewise
}

// Admit admits a call of c until it is released, or returns an error that says when to
// try again. The error is a *rpcerror.Error with the code RESOURCE_EXHAUSTED and the
// reason bridgeBusy, or tooManyCalls if only this caller has too many.
func (l *Limiter) Admit(c Caller) (*Call, error) {
	l.mu.Lock()
	call, by, err := l.admit(c)
	l.mu.Unlock()
	if err != nil {
		l.refused(by)
		return nil, err
	}
	return call, nil
}

func (l *Limiter) admit(c Caller) (call *Call, by string, err error) {
	free := l.options.Open - l.open
	if free <= 0 {
		return nil, ByTotal, refuse(rpcerror.ReasonBridgeBusy, soon(),
			"this bridge already has %d calls open, its limit (--max-streams); try again later", l.options.Open)
	}
	network := c.network()
	a := l.callers[network]
	if a == nil {
		a = &account{}
	}
	switch share := l.options.OpenPerCaller; {
	case share > 0 && a.open >= share:
		return nil, ByCaller, refuse(rpcerror.ReasonTooManyCalls, soon(),
			"your address already has %d calls open at this bridge, the limit for one address (--max-streams-per-caller); end some of them, or try again later", a.open)
	case share == 0 && a.open >= always && a.open > free:
		return nil, ByCaller, refuse(rpcerror.ReasonTooManyCalls, soon(),
			"your address already has %d of the %d calls that are open at this bridge, which is more than its share; end some of them, or try again later", a.open, l.open)
	}
	if open := l.origins[c.Origin]; c.Origin != "" && open >= always && open > originWeight*free {
		return nil, ByOrigin, refuse(rpcerror.ReasonTooManyCalls, soon(),
			"pages of this origin already have %d of the %d calls that are open at this bridge, which is more than their share; try again later", open, l.open)
	}
	if wait := l.take(a, c); wait > 0 {
		l.remember(network, a)
		return nil, ByRate, refuse(rpcerror.ReasonTooManyCalls, wait,
			"your address makes more than %g calls a second to this bridge, the limit for one address (--max-call-rate); try again later", l.options.Rate)
	}
	l.remember(network, a)
	if a.open == 0 {
		l.idle--
	}
	a.open++
	l.open++
	if c.Origin != "" {
		l.origins[c.Origin]++
	}
	return &Call{limiter: l, account: a, network: network, origin: c.Origin}, "", nil
}

// take takes a call from the caller's rate. It returns how long to wait if there is none.
func (l *Limiter) take(a *account, c Caller) (wait time.Duration) {
	if l.options.Rate <= 0 || local(c.Address) {
		return 0
	}
	if a.rate == nil {
		a.rate = rate.NewLimiter(rate.Limit(l.options.Rate), max(1, l.options.Burst))
	}
	now := l.now()
	if a.rate.AllowN(now, 1) {
		return 0
	}
	missing := 1 - a.rate.TokensAt(now)
	return max(time.Millisecond, time.Duration(missing/l.options.Rate*float64(time.Second)))
}

// remember adds an account, which has no open call yet, unless it is known already.
func (l *Limiter) remember(network netip.Addr, a *account) {
	if l.callers[network] != nil {
		return
	}
	if l.idle >= maxIdle {
		l.forget()
	}
	l.callers[network] = a
	l.idle++
}

// forget removes idle accounts whose rate has recovered, and half of the others if there
// are too many still.
func (l *Limiter) forget() {
	now := l.now()
	for network, a := range l.callers {
		if a.open == 0 && (a.rate == nil || a.rate.TokensAt(now) >= float64(a.rate.Burst())) {
			delete(l.callers, network)
			l.idle--
		}
	}
	if l.idle < maxIdle {
		return
	}
	// Maps iterate in random order, so nobody can choose who is forgotten.
	for network, a := range l.callers {
		if l.idle <= maxIdle/2 {
			return
		}
		if a.open == 0 {
			delete(l.callers, network)
			l.idle--
		}
	}
}

// Wait accounts for n more bytes of the call's request that wait in memory. It returns an
// error, as Admit does, if there are too many.
func (c *Call) Wait(n int) error {
	l := c.limiter
	l.mu.Lock()
	limit := l.options.Waiting
	free := limit - l.waiting
	if limit > 0 && (int64(n) > free || c.account.waiting > free) {
		l.mu.Unlock()
		l.refused(ByWaiting)
		return refuse(rpcerror.ReasonBridgeBusy, soon(), "too many large requests arrive at this bridge at once; try again later")
	}
	l.waiting += int64(n)
	c.account.waiting += int64(n)
	c.waiting += int64(n)
	l.mu.Unlock()
	return nil
}

// Sent says that the call's request no longer waits.
func (c *Call) Sent() {
	l := c.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	c.sent()
}

func (c *Call) sent() {
	c.limiter.waiting -= c.waiting
	c.account.waiting -= c.waiting
	c.waiting = 0
}

// Release ends the call. Only the first Release has an effect.
func (c *Call) Release() {
	l := c.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.done {
		return
	}
	c.done = true
	c.sent()
	l.open--
	if c.origin != "" {
		if l.origins[c.origin]--; l.origins[c.origin] == 0 {
			delete(l.origins, c.origin)
		}
	}
	if c.account.open--; c.account.open > 0 {
		return
	}
	if c.account.rate == nil {
		delete(l.callers, c.network)
		return
	}
	l.idle++
}

func refuse(reason rpcerror.Reason, after time.Duration, format string, args ...any) error {
	err := rpcerror.New(codes.ResourceExhausted, reason, format, args...)
	err.RetryAfter = after
	return err
}

func soon() time.Duration { return minRetry + rand.N(minRetry) }
