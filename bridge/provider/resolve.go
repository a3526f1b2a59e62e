package provider

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trace"
	"akash-provider-web/bridge/trust"
)

const (
	// dnsTimeout bounds the lookup of a host name.
	dnsTimeout = 5 * time.Second
	// addressLifetime is how long a host's addresses are cached.
	addressLifetime = 30 * time.Second
	// maxAddresses bounds how many addresses of a host are tried.
	maxAddresses = 8
)

// place is a provider's host.
type place struct {
	host guard.HostURI
	// chosen says that the caller chose the host, so neither the chain nor the
	// operator confirms that it is the provider's.
	chosen bool
	// trust says how it is known that the host is the provider's; "" if chosen.
	trust chain.Trust
	// stale says that the chain could not be queried and the record is old.
	stale bool
}

// locate returns a provider's host: the one chosen by the caller, else the operator's,
// else the one on the chain.
func (p *Pool) locate(ctx context.Context, address, hostURI string) (place, error) {
	if hostURI != "" {
		host, err := guard.ParseHostURI(hostURI)
		if err != nil {
			return place{}, rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "%w", err)
		}
		return place{host: host, chosen: true}, p.destinations.HostURI(host)
	}
	if host, ok := p.overrides[address]; ok {
		return place{host: host, trust: trust.KnownByOperator}, p.destinations.HostURI(host)
	}
	if p.chain == nil {
		return place{}, rpcerror.New(codes.NotFound, rpcerror.ReasonUnknownProvider,
			"the bridge has no chain to ask where this provider is; it needs --chain-rpc or --chain-rest, or --provider %s=https://…", address)
	}
	span := trace.Begin(ctx, trace.Internal, "look up provider on the chain")
	record, err := p.chain.Provider(ctx, address)
	endSpan(span, err)
	if err != nil {
		return place{}, err
	}
	host, err := guard.ParseHostURI(record.HostURI)
	if err != nil {
		return place{}, rpcerror.New(codes.NotFound, rpcerror.ReasonHostNotFound,
			"its record on the chain leads nowhere: %w; the provider must correct it", err)
	}
	return place{host: host, trust: record.Trust, stale: record.Stale}, p.destinations.HostURI(host)
}

// addresses resolves the host and returns the addresses that connections may use. It
// runs before any connection, so a host without usable addresses fails at once.
func (rt *route) addresses(ctx context.Context) ([]netip.Addr, error) {
	rt.mu.Lock()
	known, until := rt.lastAddresses, rt.addressesUntil
	rt.mu.Unlock()
	if rt.pool.now().Before(until) {
		return known, nil
	}
	return share(ctx, rt, "addresses", func(ctx context.Context) ([]netip.Addr, error) {
		ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
		defer cancel()
		found, err := rt.lookup(ctx)
		if err == nil {
			rt.mu.Lock()
			rt.lastAddresses, rt.addressesUntil = found, rt.pool.now().Add(addressLifetime)
			rt.mu.Unlock()
		}
		return found, err
	})
}

func (rt *route) lookup(ctx context.Context) ([]netip.Addr, error) {
	host := rt.key.host.Host
	found, err := rt.pool.resolver.LookupNetIP(ctx, "ip", rt.pool.destinations.DNSName(host))
	if err != nil {
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound {
			return nil, rpcerror.New(codes.NotFound, rpcerror.ReasonHostNotFound,
				"its host name %s does not resolve; the provider is gone or its record is wrong", host)
		}
		return nil, rpcerror.New(codes.Unavailable, rpcerror.ReasonHostNotFound,
			"its host name %s could not be looked up in DNS (%w); try again later", host, dnsError(ctx, err))
	}
	var usable []netip.Addr
	var refusal error
	for _, addr := range found {
		addr = addr.Unmap()
		if err := rt.pool.destinations.Addr(addr); err != nil {
			refusal = err
			continue
		}
		if len(usable) < maxAddresses {
			usable = append(usable, addr)
		}
	}
	switch {
	case len(usable) > 0:
		return usable, nil
	case refusal != nil:
		var f *rpcerror.Error
		errors.As(refusal, &f)
		return nil, rpcerror.New(f.Code, f.Reason, "its host name %s resolves to nothing usable: %s", host, f.Message)
	default:
		return nil, rpcerror.New(codes.NotFound, rpcerror.ReasonHostNotFound, "its host name %s resolves to no address", host)
	}
}

// dnsError describes a DNS error without naming the resolver, which callers need not
// know.
func dnsError(ctx context.Context, err error) error {
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsTimeout || ctx.Err() != nil {
		return errors.New("the resolver did not answer in time")
	}
	return errors.New("the resolver failed")
}
