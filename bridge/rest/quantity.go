package rest

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"

	"akash-provider-web/proto/k8s/io/apimachinery/pkg/api/resource"
)

// maxDigits is the maximum length of a number's text; a uint64 has twenty digits.
const maxDigits = 40

// amount is a number in a status, with the provider's precision. It is a JSON number, a
// decimal string, or nested as in the first providers: {"units":{"val":"100"}} or
// {"size":{"val":"1024"}}.
//
// Any other value leaves it unset and marks it as strange, so that one invalid field does
// not fail the whole status.
type amount struct {
	n       *big.Int // nil if unset
	strange bool
}

// UnmarshalJSON decodes all of these forms and never fails.
func (a *amount) UnmarshalJSON(data []byte) error {
	*a = amount{}
	if string(data) == "null" {
		return nil
	}
	// There are at most two levels of nesting. Following the text instead would let a
	// provider choose the depth.
	for range 2 {
		if data[0] != '{' {
			break
		}
		var nested struct{ Units, Size, Val json.RawMessage }
		if json.Unmarshal(data, &nested) != nil {
			break
		}
		for _, inner := range [][]byte{nested.Units, nested.Size, nested.Val} {
			if len(inner) > 0 {
				data = inner
				break
			}
		}
	}
	a.n = parseInteger(strings.Trim(string(data), `"`))
	a.strange = a.n == nil
	return nil
}

// parseInteger parses a decimal number, rounding a fraction up as Kubernetes does, or
// returns nil.
func parseInteger(text string) *big.Int {
	if len(text) == 0 || len(text) > maxDigits {
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return big.NewInt(n)
	}
	if n, ok := new(big.Int).SetString(text, 10); ok {
		return n
	}
	// Accept decimals only: big.Rat also parses exponents, which in a short text can fill
	// the memory.
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if strings.Trim(mantissa, "+-.0123456789") != "" || len(strings.TrimLeft(exponent, "+-0")) > 2 {
		return nil
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	quotient, remainder := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if remainder.Sign() > 0 {
		quotient.Add(quotient, big.NewInt(1))
	}
	return quotient
}

// value returns the number, or zero if unset.
func (a amount) value() *big.Int {
	if a.n == nil {
		return new(big.Int)
	}
	return a.n
}

// uint32 returns the number as a count, clamped to its range.
func (a amount) uint32() uint32 {
	n := a.value()
	if n.Sign() <= 0 {
		return 0
	}
	if !n.IsUint64() || n.Uint64() > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(n.Uint64())
}

// whole returns n, at least zero, as a Kubernetes quantity: a plain decimal integer, which
// every parser of quantities accepts.
func whole(n *big.Int) *resource.Quantity {
	if n.Sign() < 0 {
		n = new(big.Int)
	}
	return &resource.Quantity{String_: n.String()}
}

// milli returns n thousandths, at least zero, as a Kubernetes quantity in canonical form:
// "63900m", or "64" for a whole number.
func milli(n *big.Int) *resource.Quantity {
	units, rest := new(big.Int).DivMod(n, big.NewInt(1000), new(big.Int))
	if n.Sign() <= 0 || rest.Sign() == 0 {
		return whole(units)
	}
	return &resource.Quantity{String_: n.String() + "m"}
}

// elements calls f with each element of a JSON array, and stops after limit elements. It
// reports whether data, which is valid JSON, is an array of at most so many.
func elements(data []byte, limit int, f func([]byte)) bool {
	if len(data) == 0 || data[0] != '[' {
		return false
	}
	for n, at := 0, 1; ; n++ {
		end := endOfElement(data, at)
		element := bytes.TrimSpace(data[at:end])
		switch {
		case end == len(data), len(element) == 0:
			return end < len(data)
		case n == limit:
			return false
		}
		f(element)
		if data[end] == ']' {
			return true
		}
		at = end + 1
	}
}

// endOfElement returns where the element at the given place of a JSON array ends: at a comma
// or the end of the array.
func endOfElement(data []byte, at int) int {
	depth, text := 0, false
	for i := at; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '[' || c == '{':
			depth++
		case depth > 0 && (c == ']' || c == '}'):
			depth--
		case depth == 0 && (c == ',' || c == ']'):
			return i
		}
	}
	return len(data)
}
