package proof

import (
	"encoding/binary"
	"errors"
	"math/big"

	"akash-provider-web/bridge/internal/bech32"
)

// Stores of the Akash chain.
const (
	ProviderStore    = "provider"
	CertificateStore = "cert"
	LeaseStore       = "market"
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

// leasePrefix is that of a lease in its store (node x/market/keeper/keys/key.go,
// LeasePrefixNew; v2.0.0 and later).
var leasePrefix = []byte{0x13, 0x02}

// maxSerial is the longest serial number that the chain takes, in bytes.
const maxSerial = 40

// Errors of keys that cannot be.
var (
	errAddress = errors.New("proof: not an address of the Akash chain")
	errSerial  = errors.New("proof: not a serial number that the chain takes")
	errLease   = errors.New("proof: the lease cannot be decoded")
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
		switch f.number {
		case 1:
			return f.text(&p.Owner)
		case 2:
			return f.text(&p.HostURI)
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

// LeaseID identifies a lease, akash.market.v1.LeaseID.
type LeaseID struct {
	Owner            string
	DSeq             uint64
	GSeq, OSeq, BSeq uint32
	Provider         string
}

// LeaseState is the state of a lease, as in its record.
type LeaseState int32

// The states of leases on the chain.
const (
	LeaseActive            LeaseState = 1
	LeaseInsufficientFunds LeaseState = 2
	LeaseClosed            LeaseState = 3
	LeaseReclaiming        LeaseState = 4
)

// Lease is a lease's record, akash.market.v1.Lease.
type Lease struct {
	ID    LeaseID
	State LeaseState
	// Denom and Amount are the price of a block. The amount is the integer of 18 decimals
	// that the chain stores.
	Denom, Amount string
	// CreatedAt and ClosedOn are heights of blocks.
	CreatedAt, ClosedOn int64
}

// LeaseKey returns the key of a lease in LeaseStore, as the package collections of the Cosmos
// SDK encodes it:
//
//	0x13 0x02 | owner | 0x00 | dseq | gseq | oseq | provider | 0x00 | bseq
//
// Addresses are text in bech32, and numbers big-endian, dseq of eight bytes and the others of
// four (node x/market/keeper/keys/lease.go).
func LeaseKey(id LeaseID) ([]byte, error) {
	for _, address := range []string{id.Owner, id.Provider} {
		if _, err := bech32.Decode(addressPrefix, address); err != nil {
			return nil, errAddress
		}
	}
	key := append(append(leasePrefix[:2:2], id.Owner...), 0)
	key = binary.BigEndian.AppendUint64(key, id.DSeq)
	key = binary.BigEndian.AppendUint32(key, id.GSeq)
	key = binary.BigEndian.AppendUint32(key, id.OSeq)
	key = append(append(key, id.Provider...), 0)
	return binary.BigEndian.AppendUint32(key, id.BSeq), nil
}

// DecodeLease decodes the value of a LeaseKey.
func DecodeLease(value []byte) (l Lease, err error) {
	if err := fields(value, l.set); err != nil || l.State < LeaseActive || l.State > LeaseReclaiming {
		return Lease{}, errLease
	}
	return l, nil
}

func (l *Lease) set(f field) error {
	switch f.number {
	case 1:
		return f.message(l.ID.set)
	case 2:
		return f.enum((*int32)(&l.State))
	case 3:
		return f.message(func(f field) error {
			switch f.number {
			case 1:
				return f.text(&l.Denom)
			case 2:
				return f.text(&l.Amount)
			}
			return nil
		})
	case 4:
		return f.int64(&l.CreatedAt)
	case 5:
		return f.int64(&l.ClosedOn)
	}
	return nil
}

func (id *LeaseID) set(f field) error {
	switch f.number {
	case 1:
		return f.text(&id.Owner)
	case 2:
		return f.uint64(&id.DSeq)
	case 3:
		return f.uint32(&id.GSeq)
	case 4:
		return f.uint32(&id.OSeq)
	case 5:
		return f.text(&id.Provider)
	case 6:
		return f.uint32(&id.BSeq)
	}
	return nil
}
