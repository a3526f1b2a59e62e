package web

import (
	"strconv"
	"strings"
)

// accept is a parsed Accept-Encoding header: the quality of each coding named in it,
// from 0 to 1, including "*".
type accept map[string]float64

// parseAccept parses Accept-Encoding header lines (RFC 9110, section 12.5.3). Codings
// with malformed parameters count as not acceptable.
func parseAccept(lines []string) accept {
	a := accept{}
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			coding, parameters, _ := strings.Cut(element, ";")
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding == "" {
				continue
			}
			if coding == "x-gzip" {
				coding = gzip
			}
			a[coding] = parseQuality(parameters)
		}
	}
	return a
}

// parseQuality returns the weight among a coding's parameters, 1 by default.
func parseQuality(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) { // also catches NaN
			return 0
		}
		return q
	}
	return 1
}

// quality returns the quality of coding; 0 means not acceptable.
func (a accept) quality(coding string) float64 {
	if q, ok := a[coding]; ok {
		return q
	}
	if q, ok := a["*"]; ok {
		return q
	}
	if coding == identity {
		// Acceptable unless excluded, but with the lowest preference.
		return 1e-9
	}
	return 0
}
