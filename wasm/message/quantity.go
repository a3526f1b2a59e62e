package message

// Limits of a quantity's text. Kubernetes itself writes at most 19 digits.
const (
	maxQuantityDigits   = 64
	maxQuantityExponent = 200
)

// quantity writes the value of a Kubernetes quantity as an exact JSON number: digits
// and a power of ten, which the reader rounds once. The value of malformed text is
// null. The grammar is that of
// https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity.
func (j *JSON) quantity(text []byte) {
	var buffer [maxQuantityDigits + 20]byte // 2^60 adds 19 digits
	digits, rest := buffer[:0], text
	negative := false
	if len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
		negative = rest[0] == '-'
		rest = rest[1:]
	}
	exponent, point, read := 0, false, 0
	for ; len(rest) > 0; rest = rest[1:] {
		c := rest[0]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		if read++; read > maxQuantityDigits {
			j.raw("null")
			return
		}
		if point {
			exponent--
		}
		if c != '0' || len(digits) > 0 { // JSON has no leading zeros
			digits = append(digits, c)
		}
	}
	scale, kibis, ok := suffix(rest)
	if read == 0 || !ok {
		j.raw("null")
		return
	}
	exponent += scale
	for range kibis {
		digits = times1024(digits)
	}
	if len(digits) == 0 {
		j.put('0')
		return
	}
	if negative {
		j.put('-')
	}
	j.Raw(digits)
	if exponent != 0 {
		j.put('e')
		j.Number(int64(exponent))
	}
}

// suffix parses the part after the number: a power of ten, or the number of times to
// multiply by 1024.
func suffix(text []byte) (exponent, kibis int, ok bool) {
	const decimal = "num kMGTPE" // 10^-9, 10^-6 and so on; 10^0 has no letter
	const binary = "KiMiGiTiPiEi"
	switch len(text) {
	case 0:
		return 0, 0, true
	case 1:
		for i := range len(decimal) {
			if decimal[i] == text[0] && text[0] != ' ' {
				return 3*i - 9, 0, true
			}
		}
	case 2:
		for i := 0; i < len(binary); i += 2 {
			if binary[i:i+2] == string(text) {
				return 0, i/2 + 1, true
			}
		}
	}
	if text[0] != 'e' && text[0] != 'E' {
		return 0, 0, false
	}
	text = text[1:]
	negative := false
	if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
		negative = text[0] == '-'
		text = text[1:]
	}
	if len(text) == 0 {
		return 0, 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		if exponent = exponent*10 + int(c-'0'); exponent > maxQuantityExponent {
			return 0, 0, false
		}
	}
	if negative {
		exponent = -exponent
	}
	return exponent, 0, true
}

// times1024 multiplies a number in decimal digits, in place if its array has space.
func times1024(digits []byte) []byte {
	carry := 0
	for i := len(digits) - 1; i >= 0; i-- {
		carry += int(digits[i]-'0') << 10
		digits[i] = byte('0' + carry%10)
		carry /= 10
	}
	for ; carry > 0; carry /= 10 {
		digits = append(digits, 0)
		copy(digits[1:], digits)
		digits[0] = byte('0' + carry%10)
	}
	return digits
}
