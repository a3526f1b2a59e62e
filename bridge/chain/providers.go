package chain

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"akash-provider-web/bridge/internal/bech32"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	queryv1beta1 "akash-provider-web/proto/cosmos/base/query/v1beta1"
)

const (
	// maxProviders bounds the list of providers, which are a page each of providersPerPage.
	// Their records have many attributes, so that a page is some hundred kilobytes.
	maxProviders     = 5_000
	providersPerPage = 100
	// providersLifetime is how long the list is cached. A provider joins every few days.
	providersLifetime = time.Minute
)

// Providers are all providers on the chain.
type Providers struct {
	// Addresses are in order.
	Addresses []string
	// Height is the block whose state this was; 0 if no node said.
	Height int64
	// Trust says how it is known that none is missing. It is never Proven: a node can prove
	// that a provider is there, but not that there is no other. Each one's record is verified
	// when the provider is called.
	Trust Trust
}

// Providers returns all providers on the chain. Errors are those of Provider.
func (c *Client) Providers(ctx context.Context) (Providers, error) {
	if err := c.forked(); err != nil {
		return Providers{}, err
	}
	const key = "providers"
	if known, ok := c.everyone.get(key, c.now()); ok {
		return known, nil
	}
	return share(ctx, c, key, func(ctx context.Context) (Providers, error) {
		found, trust, err := agree(ctx, c, question[Providers]{key, func(ctx context.Context, n *node, height int64) (answer[Providers], error) {
			return n.api.providers(ctx, c.http, n, height)
		}})
		found.Trust = trust
		if err == nil {
			c.everyone.put(key, found, c.now().Add(providersLifetime), c.now())
		}
		return found, err
	})
}

// Errors of lists of providers that cannot be used.
var (
	errNoProviders      = errors.New("the list of providers cannot be decoded")
	errTooManyProviders = errors.New("the list of providers is too long")
	errProviderTwice    = errors.New("the list has a provider twice")
)

// providerPages reads a node's list of providers.
func providerPages(n *node, height int64, read func(height int64, key []byte) (page[string], error)) (answer[Providers], error) {
	var list Providers
	height, err := readPages(n, height, errNoProviders, read, func(addresses []string, _ bool) (bool, error) {
		if len(list.Addresses)+len(addresses) > maxProviders {
			return false, errTooManyProviders
		}
		for _, address := range addresses {
			if _, err := bech32.Decode("akash", address); err != nil {
				return false, errNoProviders
			}
		}
		list.Addresses = append(list.Addresses, addresses...)
		return true, nil
	})
	if err != nil {
		return answer[Providers]{}, err
	}
	slices.Sort(list.Addresses)
	if len(slices.Compact(slices.Clone(list.Addresses))) < len(list.Addresses) {
		return answer[Providers]{}, n.describe(errProviderTwice)
	}
	list.Height = height
	sum := sha256.Sum256([]byte(strings.Join(list.Addresses, "\n")))
	return answer[Providers]{list, fmt.Sprintf("%d providers with SHA-256 %x", len(list.Addresses), sum), height}, nil
}

// The paths of the query for all providers by RPC.
var providersPaths = []string{
	"/akash.provider.v1beta4.Query/Providers",
	"/akash.provider.v1beta3.Query/Providers",
}

func (r rpcAPI) providers(ctx context.Context, client *http.Client, n *node, height int64) (answer[Providers], error) {
	return providerPages(n, height, func(height int64, key []byte) (p page[string], err error) {
		request := &providerv1beta4.QueryProvidersRequest{
			Pagination: &queryv1beta1.PageRequest{Key: key, Limit: providersPerPage},
		}
		var response providerv1beta4.QueryProvidersResponse
		if p.at, err = r.queryPaths(ctx, client, n, providersPaths, height, request, &response, errNoProviders); err != nil {
			return p, err
		}
		for _, one := range response.Providers {
			p.items = append(p.items, one.GetOwner())
		}
		p.next = response.GetPagination().GetNextKey()
		return p, nil
	})
}

func (r restAPI) providers(ctx context.Context, client *http.Client, n *node, height int64) (answer[Providers], error) {
	return providerPages(n, height, func(height int64, key []byte) (p page[string], err error) {
		query := url.Values{"pagination.limit": {strconv.Itoa(providersPerPage)}}
		if key != nil {
			query.Set("pagination.key", base64.StdEncoding.EncodeToString(key))
		}
		var list struct {
			Providers []struct {
				Owner string `json:"owner"`
			} `json:"providers"`
			restPagination
		}
		if p.at, err = r.get(ctx, client, n, providerRoutes, height, "", query, &list); err != nil {
			return p, err
		}
		for _, one := range list.Providers {
			p.items = append(p.items, one.Owner)
		}
		p.next = list.Pagination.NextKey
		return p, nil
	})
}
