package proof

import (
	"errors"
	"math/big"

	"akash-provider-web/bridge/internal/bech32"
)

// Stores of the Akash chain.
const (
	ProviderStore    = "provider"
	CertificateStore = "cert"
)

// addressPrefix is that of the Akash chain's addresses.
const addressPrefix = "akash"

// CertificateState is the state of a certificate, as in its key and in its value.
type CertificateState byte

// The states of certificates on the chain.
const (
	CertificateValid   CertificateState = 1
	CertificateRevoked CertificateState = 2
)

// Prefixes of keys.
const (
	providerPrefix    = 0x01 // chain-sdk go/node/provider/v1beta4/key.go
	certificatePrefix = 0x11 // node x/cert/keeper/key.go
)

// maxSerial is the longest serial number that the chain takes, in bytes.
const maxSerial = 40

// Errors of keys that cannot be.
var (
	errAddress = errors.New("proof: not an address of the Akash chain")
	errSerial  = errors.New("proof: not a serial number that the chain takes")
)

// ProviderKey returns the key of a provider's record in ProviderStore:
//
//	0x01 | length of the address | address
//
// (node x/provider/keeper/key.go).
func ProviderKey(owner string) ([]byte, error) {
	address, err := bech32.Decode(addressPrefix, owner)
	if err != nil {
		return nil, errAddress
	}
	return append([]byte{providerPrefix, byte(len(address))}, address...), nil
}

// CertificateKey returns the key of a certificate in CertificateStore:
//
//	0x11 | state | length of the address | address | length of the serial number | serial number
//
// (node x/cert/keeper/key.go). The serial number is given in decimal and big-endian in
// the key; of zero not even the length is there. The state is in the key, so a proof
// that the key of the valid state exists proves that the certificate is not revoked.
func CertificateKey(state CertificateState, owner, serial string) ([]byte, error) {
	address, err := bech32.Decode(addressPrefix, owner)
	if err != nil {
		return nil, errAddress
	}
	if len(serial) > 100 { // 40 bytes have 97 digits
		return nil, errSerial
	}
	number, ok := new(big.Int).SetString(serial, 10)
	if !ok || number.Sign() < 0 || number.BitLen() > 8*maxSerial {
		return nil, errSerial
	}
	key := append([]byte{certificatePrefix, byte(state), byte(len(address))}, address...)
	if digits := number.Bytes(); len(digits) > 0 {
		key = append(append(key, byte(len(digits))), digits...)
	}
	return key, nil
}

// Provider is a provider's record, akash.provider.v1beta4.Provider.
type Provider struct {
	Owner   string
	HostURI string
}

// DecodeProvider decodes the value of a ProviderKey.
func DecodeProvider(value []byte) (p Provider, err error) {
	err = fields(value, func(f field) error {
		var text []byte
		switch f.number {
		case 1:
			err := f.bytes(&text)
			p.Owner = string(text)
			return err
		case 2:
			err := f.bytes(&text)
			p.HostURI = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		return Provider{}, errors.New("proof: the provider's record cannot be decoded")
	}
	return p, nil
}

// Certificate is a certificate, akash.cert.v1.Certificate.
type Certificate struct {
	State CertificateState
	// PEM is the certificate as it was published.
	PEM []byte
}

// DecodeCertificate decodes the value of a CertificateKey.
func DecodeCertificate(value []byte) (c Certificate, err error) {
	err = fields(value, func(f field) error {
		switch f.number {
		case 2:
			var state int32
			err := f.enum(&state)
			if state != int32(CertificateValid) && state != int32(CertificateRevoked) {
				return errMalformed
			}
			c.State = CertificateState(state)
			return err
		case 3:
			return f.bytes(&c.PEM)
		}
		return nil
	})
	if err != nil || c.State == 0 {
		return Certificate{}, errors.New("proof: the certificate cannot be decoded")
	}
	return c, nil
}
