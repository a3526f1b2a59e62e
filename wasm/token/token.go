// Package token reads the tokens by which tenants authenticate (AEP-64): JWTs
// that say what they grant at which provider. It verifies nothing: it finds out
// what a provider is going to refuse, and why, before anything is sent. It knows
// nothing of calls.
package token

// A Token is what a JWT says of itself.
type Token struct {
	// NotBefore and Expires bound when it is valid, in seconds since 1970.
	NotBefore, Expires int64
	leases             raw
}

// A Malformed says why a text is no token of Akash's, without quoting it.
type Malformed string

// Error returns the sentence.
func (m Malformed) Error() string { return string(m) }

// What can be wrong with a token's shape.
const (
	errParts     Malformed = "it is not a JWT: want three parts in base64url with dots between them"
	errAlgorithm Malformed = "its algorithm is none of Akash's: want ES256K or ES256KADR36"
	errDates     Malformed = "it lacks a date: want iat, nbf and exp, in seconds"
)

// Read reads a token. Its error is a Malformed.
func Read(text string) (*Token, error) {
	var parts [3]raw
	for i := range parts {
		var ok bool
		if parts[i], text, ok = part(text); !ok || i < 2 && parts[i][0] != '{' {
			return nil, errParts
		}
	}
	if text != "" {
		return nil, errParts
	}
	if alg := parts[0].member("alg"); !alg.is("ES256K") && !alg.is("ES256KADR36") {
		return nil, errAlgorithm
	}
	claims := parts[1]
	_, issued := claims.member("iat").number()
	start, starts := claims.member("nbf").number()
	end, ends := claims.member("exp").number()
	if !issued || !starts || !ends {
		return nil, errDates
	}
	return &Token{NotBefore: int64(start), Expires: int64(end), leases: claims.member("leases")}, nil
}

// Full reports whether the token grants everything at every provider.
func (t *Token) Full() bool { return t.leases.member("access").is("full") }

// A Use is what a call needs to be granted.
type Use struct {
	// Scope is the name of what is done, such as "logs".
	Scope string
	// Provider is the address of whom it is asked of.
	Provider string
	// DSeq, GSeq and OSeq name the lease; GSeq and OSeq are 0 for all of a
	// deployment.
	DSeq       uint64
	GSeq, OSeq uint32
}

// A Lack is why a token does not grant a use.
type Lack uint8

// What a token may lack. Nothing is also what is said of a token whose claims are
// of no known form: the provider shall judge.
const (
	Nothing  Lack = iota
	Provider      // it names other providers only
	Scope         // it grants other things only
	Lease         // it grants this on other leases only
)

// Lacks returns what the token lacks for a use. As at a provider, the services
// that a token names do not count.
func (t *Token) Lacks(use Use) Lack {
	access := t.leases.member("access")
	switch {
	case access.is("scoped"):
		return t.leases.scope(use.Scope)
	case !access.is("granular"):
		return Nothing
	}
	lack := Provider
	for _, permission := range t.leases.member("permissions").items() {
		if permission.member("provider").is(use.Provider) {
			lack = permission.lacks(use)
		}
	}
	return lack
}

// lacks is Lacks of the permissions at the use's provider.
func (v raw) lacks(use Use) Lack {
	access := v.member("access")
	switch {
	case access.is("scoped"):
		return v.scope(use.Scope)
	case !access.is("granular"):
		return Nothing
	}
	lack := Scope
	for _, deployment := range v.member("deployments").items() {
		switch {
		case deployment.scope(use.Scope) == Scope:
		case deployment.covers("dseq", use.DSeq) &&
			deployment.covers("gseq", uint64(use.GSeq)) && deployment.covers("oseq", uint64(use.OSeq)):
			return Nothing
		default:
			lack = Lease
		}
	}
	return lack
}

// scope returns Scope unless the list of that name holds one.
func (v raw) scope(name string) Lack {
	for _, granted := range v.member("scope").items() {
		if granted.is(name) {
			return Nothing
		}
	}
	return Scope
}

// covers reports whether a sequence number of a deployment is the one that is asked
// for. 0, or none, is all.
func (v raw) covers(name string, asked uint64) bool {
	granted, _ := v.member(name).number()
	return granted == 0 || asked == 0 || granted == asked
}

// part decodes what comes before the first dot, base64url without padding (RFC
// 7515, section 2), and returns what comes after it.
func part(text string) (decoded raw, rest string, ok bool) {
	var b []byte
	bits, n := uint32(0), 0
	for i := range len(text) {
		var digit byte
		switch c := text[i]; {
		case c == '.':
			return raw(b), text[i+1:], len(b) > 0 && n < 6
		case 'A' <= c && c <= 'Z':
			digit = c - 'A'
		case 'a' <= c && c <= 'z':
			digit = c - 'a' + 26
		case '0' <= c && c <= '9':
			digit = c - '0' + 52
		case c == '-':
			digit = 62
		case c == '_':
			digit = 63
		default:
			return "", "", false
		}
		bits, n = bits<<6|uint32(digit), n+6
		if n >= 8 {
			n -= 8
			b = append(b, byte(bits>>n))
		}
	}
	return raw(b), "", len(b) > 0 && n < 6
}
