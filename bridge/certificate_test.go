package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writeCertificate writes a new certificate for a name, and its key, to files.
func writeCertificate(t *testing.T, name, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

func TestARenewedCertificateIsLoadedWithoutARestart(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	writeCertificate(t, "first", certFile, keyFile)
	var logged bytes.Buffer
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)))
	require.NoError(t, err)
	now := time.Now()
	c.now = func() time.Time { return now }
	served := func() string {
		pair, err := c.get(nil)
		require.NoError(t, err)
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		require.NoError(t, err)
		return leaf.Subject.CommonName
	}
	assert.Equal(t, "first", served())

	writeCertificate(t, "a much longer second name", certFile, keyFile)
	assert.Equal(t, "first", served(), "the files are not checked for every connection")
	now = now.Add(certificateCheckInterval)
	assert.Equal(t, "a much longer second name", served())

	require.NoError(t, os.WriteFile(certFile, []byte("half a file"), 0o600))
	now = now.Add(certificateCheckInterval)
	assert.Equal(t, "a much longer second name", served(), "an unusable certificate does not replace the old one")
	assert.Contains(t, logged.String(), "cannot be used")
	writeCertificate(t, "third", certFile, keyFile)
	now = now.Add(certificateCheckInterval)
	assert.Equal(t, "third", served())
}

func TestAMissingCertificateIsAUsageError(t *testing.T) {
	_, err := loadCertificate("nowhere.pem", "nowhere.key", slog.New(slog.DiscardHandler))
	var usage usageError
	assert.ErrorAs(t, err, &usage)
}
