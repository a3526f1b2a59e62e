package client

import (
	"unicode/utf16"

	"akash-provider-web/wasm/message"
)

func utf16Of(text string) []uint16 { return utf16.Encode([]rune(text)) }

func stringOf(units []uint16) string { return string(utf16.Decode(units)) }

// replaced returns text with invalid UTF-8 replaced by U+FFFD.
func replaced(text string) string {
	valid, _ := message.AppendText(nil, []byte(text))
	return string(valid)
}
