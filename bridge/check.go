package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// checkConfig builds the bridge without starting it, and prints the settings. The
// settings themselves are valid already. It uses no network.
func checkConfig(c *config, stdout, stderr io.Writer) error {
	log := slog.New(slog.DiscardHandler)
	warnings := c.warnings()
	if c.tlsCert != "" {
		certificate, err := loadCertificate(c.tlsCert, c.tlsKey, log)
		if err != nil {
			return usageError{fmt.Errorf("%s: %w", c.flags.Where("tls-cert"), err)}
		}
		if leaf := certificate.leaf(); time.Now().After(leaf.NotAfter) {
			warnings = append(warnings, fmt.Sprintf("%s: the certificate has expired on %s", c.flags.Where("tls-cert"), leaf.NotAfter.Format(time.DateOnly)))
		}
	}
	d, err := c.connect(log)
	if err != nil {
		return err
	}
	defer d.close()
	if _, err := newServer(context.Background(), c, d, log); err != nil {
		return err
	}
	for _, warning := range warnings {
		fmt.Fprintln(stderr, "warning:", warning)
	}
	fmt.Fprintln(stdout, "# The settings of "+program+" as a file for --config, and where each comes from.")
	c.flags.Print(stdout)
	return nil
}

// leaf returns the certificate itself.
func (c *certificate) leaf() *x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cert.Leaf
}

// healthTimeout bounds a health check.
const healthTimeout = 5 * time.Second

// checkHealth asks the bridge that runs with the same settings on this machine whether it
// is alive. Images without a shell and curl check their health with it.
func checkHealth(ctx context.Context, c *config) error {
	host, port, err := net.SplitHostPort(c.listen)
	if err != nil || port == "0" {
		return usageError{fmt.Errorf("%s is %q: a health check needs a port", c.flags.Where("listen"), c.listen)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	if c.tlsCert != "" {
		scheme = "https"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	// The certificate is for the bridge's public name, not for this address, and nothing
	// secret is sent.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("not alive: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not alive: %s answered %s", request.URL, response.Status)
	}
	return nil
}
