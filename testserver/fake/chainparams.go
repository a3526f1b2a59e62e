package fake

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// rpcParams are the parameters of a JSON-RPC call, by name.
type rpcParams map[string]json.RawMessage

// jsonParams reads the parameters of a POST, which are an object, or a list in the
// method's order.
func jsonParams(raw json.RawMessage, names []string) (rpcParams, error) {
	var params rpcParams
	if len(raw) == 0 {
		return params, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return params, json.Unmarshal(raw, &params)
	}
	if len(list) > len(names) {
		return nil, fmt.Errorf("expected %d parameters (%v), got %d (%s)", len(names), names, len(list), raw)
	}
	params = rpcParams{}
	for i, value := range list {
		params[names[i]] = value
	}
	return params, nil
}

// uriParams reads the parameters of a GET. There strings are quoted, and bytes are 0x and
// hexadecimal digits.
func uriParams(r *http.Request, names []string) rpcParams {
	params := rpcParams{}
	for _, name := range names {
		text := r.FormValue(name)
		if text == "" {
			continue
		}
		text = strings.TrimPrefix(strings.Trim(text, `"`), "0x")
		params[name], _ = json.Marshal(text) // cannot fail for a string
	}
	return params
}

// text returns a string, "" without the parameter.
func (p rpcParams) text(name string) (string, error) {
	var text string
	if len(p[name]) == 0 {
		return "", nil
	}
	return text, json.Unmarshal(p[name], &text)
}

// bytes returns what hexadecimal digits encode.
func (p rpcParams) bytes(name string) ([]byte, error) {
	text, err := p.text(name)
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(text)
}

// integer returns a number, which may also be a string, or nil without the parameter.
func (p rpcParams) integer(name string) (*int64, error) {
	text := strings.Trim(string(p[name]), `"`)
	if text == "" || text == "null" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return &n, err
}

// truth returns a boolean, which may also be a string.
func (p rpcParams) truth(name string) (bool, error) {
	text := strings.Trim(string(p[name]), `"`)
	if text == "" || text == "null" {
		return false, nil
	}
	return strconv.ParseBool(text)
}

// pages returns the page that a call asks for and its length, in CometBFT's limits.
func pages(p rpcParams, total int) (page, perPage int, failed *rpcError) {
	given, err := p.integer("page")
	if err != nil {
		return 0, 0, invalidParams(err)
	}
	length, err := p.integer("per_page")
	if err != nil {
		return 0, 0, invalidParams(err)
	}
	perPage = defaultValidators
	if length != nil && *length > 0 {
		perPage = int(min(*length, maxValidators))
	}
	page = 1
	if given != nil {
		count := int64(max(1, (total-1)/perPage+1))
		if *given < 1 || *given > count {
			return 0, 0, internalError(fmt.Errorf("page should be within [1, %d] range, given %d", count, *given))
		}
		page = int(*given)
	}
	return page, perPage, nil
}
