package message

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A quantity's value is exact, so that JavaScript rounds it only once.
func TestQuantities(t *testing.T) {
	for text, value := range map[string]float64{
		"8":                     8,
		"63900m":                63.9,
		"1800G":                 1.8e12,
		"511Gi":                 511 << 30,
		"1.5Gi":                 3 << 29,
		".5Ki":                  512,
		"5.":                    5,
		"-1":                    -1,
		"+2k":                   2000,
		"0":                     0,
		"-0":                    0,
		"000":                   0,
		"0m":                    0,
		"0Ei":                   0,
		"007":                   7,
		"1n":                    1e-9,
		"1u":                    1e-6,
		"1E":                    1e18,
		"1Ei":                   1 << 60,
		"1e3":                   1000,
		"1E3":                   1000,
		"12e-2":                 0.12,
		"1E+2":                  100,
		"100Ti":                 100 << 40,
		"1P":                    1e15,
		"1Pi":                   1 << 50,
		"18446744073709551616":  1 << 64,
		"9223372036854775807Ei": (1 << 63) * (1 << 60),
		"0.1":                   0.1,
		"2.675":                 2.675,
		"123456789012345678m":   123456789012345.678,
	} {
		number, err := strconv.ParseFloat(quantity(text), 64)
		require.NoError(t, err, text)
		assert.Equal(t, value, number, text)
	}
}

func TestMalformedQuantities(t *testing.T) {
	for _, text := range []string{
		"", "m", "-", "+", ".", "-.", "1.2.3", "1 ", " 1", "1K", "1mi", "1KiB", "1e", "1E+", "1e1.5", "1e1000",
		"0x10", "NaN", "1,5", "1iK", "é", "1\x00", strings.Repeat("1", 65),
	} {
		assert.Equal(t, "null", quantity(text), text)
	}
}

// Any text results in a number or null. A number equals the text's value in exact
// arithmetic.
func FuzzQuantity(f *testing.F) {
	for _, text := range []string{"63900m", "511Gi", "-1.5Ei", "1e-3", "0.000Ki", "99999999999999999999Mi"} {
		f.Add(text)
	}
	binary := map[string]int{"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
	f.Fuzz(func(t *testing.T, text string) {
		got := quantity(text)
		require.True(t, json.Valid([]byte(got)), got)
		if got == "null" || len(text) < 2 {
			return
		}
		shift, ok := binary[text[len(text)-2:]]
		if !ok {
			return
		}
		number, ok := new(big.Rat).SetString(strings.TrimPrefix(text[:len(text)-2], "+"))
		if !ok {
			return // for example "5.", which Rat does not accept
		}
		number.Mul(number, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(shift))))
		exact, ok := new(big.Rat).SetString(got)
		require.True(t, ok, got)
		require.Zero(t, number.Cmp(exact), "%s: %s", text, got)
	})
}

func quantity(text string) string {
	var j JSON
	j.quantity([]byte(text))
	return string(j.Text)
}
