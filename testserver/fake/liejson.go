package fake

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// addTo adds to a number in the RPC's JSON, which is a string.
func addTo(v any, n int64) string {
	text, _ := v.(string)
	have, _ := strconv.ParseInt(text, 10, 64)
	return strconv.FormatInt(have+n, 10)
}

// body records what a handler answers to a request, whose body can be read again.
func body(handler http.Handler, r *http.Request) []byte {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(io.LimitReader(r.Body, maxChainRequest))
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	recorded := &recorder{header: http.Header{}}
	handler.ServeHTTP(recorded, r)
	r.Body = io.NopCloser(bytes.NewReader(sent))
	return bytes.TrimSpace(recorded.body.Bytes())
}

// recorder is an http.ResponseWriter that keeps the body.
type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header            { return r.header }
func (r *recorder) WriteHeader(int)                {}
func (r *recorder) Write(text []byte) (int, error) { return r.body.Write(text) }

// rewritten sends a text that is made of the forged answer and the true one.
func rewritten(make func(l *liar, forged, truth []byte) []byte) func(*liar, http.ResponseWriter, *http.Request, http.Handler) {
	return func(l *liar, w http.ResponseWriter, r *http.Request, usual http.Handler) {
		forged := body(usual, r)
		honest := &chainNode{server: l.node.server, chain: l.node.chain, counters: l.node.counters}
		truth := body(honest, r)
		w.Header().Set("Content-Type", "application/json")
		w.Write(make(l, forged, truth))
	}
}

// member returns a text's member of the JSON object that an answer is, as text.
func member(answer []byte, name string) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(answer, &members) != nil || members[name] == nil {
		return "null"
	}
	return string(members[name])
}

// answered returns a JSON-RPC answer with an identifier and other members.
func answered(answer []byte, members string) []byte {
	return []byte(`{"jsonrpc":"2.0","id":` + member(answer, "id") + `,` + members + `}`)
}

// nesting is the depth of deeply nested JSON.
const nesting = 200_000

// jsonLies have forged records in JSON that decoders may understand in several ways, or
// that is made to exhaust them.
var jsonLies = map[ChainLie]lie{
	"json-duplicate-result": {
		text: "a true result is followed by a forged one of the same name", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte {
			return answered(truth, `"result":`+member(truth, "result")+`,"result":`+member(forged, "result"))
		}),
	},
	"json-duplicate-first": {
		text: "a forged result is followed by a true one of the same name", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte {
			return answered(truth, `"result":`+member(forged, "result")+`,"result":`+member(truth, "result"))
		}),
	},
	"json-other-case": {
		text: "members have their names in upper case", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte {
			return answered(truth, `"result":`+member(truth, "result")+`,"RESULT":`+member(forged, "result"))
		}),
	},
	"json-value-twice": {
		text: "a true value is followed by a forged one, in other letters", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte {
			response := member([]byte(member(forged, "result")), "response")
			if response == "null" {
				return truth
			}
			value := member([]byte(response), "value")
			return bytes.Replace(truth, []byte(`"proofOps"`), []byte(`"Value":`+value+`,"proofOps"`), 1)
		}),
	},
	"json-wrong-id": {
		text: "the answer is that to another request", records: everything,
		serve: rewritten(func(_ *liar, forged, _ []byte) []byte {
			return []byte(`{"jsonrpc":"2.0","id":77,"result":` + member(forged, "result") + `}`)
		}),
	},
	"json-result-and-error": {
		text: "an answer has an error and a result", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte {
			return answered(truth, `"error":{"code":-32603,"message":"Internal error","data":""},"result":`+member(forged, "result"))
		}),
	},
	"json-trailing": {
		text: "a true answer is followed by a forged one", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte { return append(append(truth, '\n'), forged...) }),
	},
	"json-leading": {
		text: "a forged answer is followed by a true one", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte { return append(append(forged, '\n'), truth...) }),
	},
	"json-batch": {
		text: "the answer is a list of answers", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte {
			return []byte("[" + string(forged) + "," + string(truth) + "]")
		}),
	},
	"json-result-null": {
		text:  "the result is null",
		serve: rewritten(func(_ *liar, _, truth []byte) []byte { return answered(truth, `"result":null`) }),
	},
	"json-result-empty": {
		text:  "the result is empty",
		serve: rewritten(func(_ *liar, _, truth []byte) []byte { return answered(truth, `"result":{}`) }),
	},
	"json-result-string": {
		text: "the result is a string that has the result", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte {
			text, _ := json.Marshal(member(forged, "result"))
			return answered(truth, `"result":`+string(text))
		}),
	},
	"json-null": {
		text:  "the answer is null",
		serve: rewritten(func(*liar, []byte, []byte) []byte { return []byte("null") }),
	},
	"json-deep": {
		text: "the answer is nested two hundred thousand deep",
		serve: rewritten(func(_ *liar, _, truth []byte) []byte {
			return answered(truth, `"result":`+strings.Repeat("[", nesting)+strings.Repeat("]", nesting))
		}),
	},
	"json-deep-objects": {
		text: "the answer is nested two hundred thousand deep, in objects",
		serve: rewritten(func(_ *liar, _, truth []byte) []byte {
			return answered(truth, `"result":`+strings.Repeat(`{"response":`, nesting)+"0"+strings.Repeat("}", nesting))
		}),
	},
	"json-many-members": {
		text: "the answer has a million members", records: everything,
		serve: rewritten(func(_ *liar, forged, truth []byte) []byte {
			return answered(truth, strings.Repeat(`"a":0,`, 1_000_000)+`"result":`+member(forged, "result"))
		}),
	},
	"json-height-number": {
		text: "heights are numbers and have fractions", records: everything,
		result: heights(func(height string) any { return json.Number(height + ".5") }),
	},
	"json-height-huge": {
		text: "heights do not fit into 64 bits", records: everything,
		result: heights(func(height string) any { return height + "00000000000000000000" }),
	},
	"json-height-negative": {
		text: "heights are negative", records: everything,
		result: heights(func(height string) any { return "-" + height }),
	},
	"json-height-zero": {
		text: "heights are zero", records: everything,
		result: heights(func(string) any { return "0" }),
	},
	"json-height-missing": {
		text: "heights are missing", records: everything,
		result: heights(func(string) any { return nil }),
	},
	"json-not-utf8": {
		text: "the answer is no UTF-8", records: everything,
		serve: rewritten(func(_ *liar, forged, _ []byte) []byte {
			return bytes.Replace(forged, []byte(`"jsonrpc"`), []byte("\"\xff\xfe\":\"\xc3\x28\",\"jsonrpc\""), 1)
		}),
	},
}

// heights returns a lie about all heights in results.
func heights(change func(height string) any) func(*liar, string, map[string]any) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if text, ok := value.(string); ok && (name == "height" || strings.HasSuffix(name, "_block_height")) {
					v[name] = change(text)
				} else {
					walk(value)
				}
			}
		case []any:
			for _, value := range v {
				walk(value)
			}
		}
	}
	return func(_ *liar, _ string, result map[string]any) { walk(result) }
}
