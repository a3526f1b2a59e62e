package fake

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"time"
)

// drip is the time between the bytes of a slow answer.
const drip = 200 * time.Millisecond

// bombSize is the size of an answer after decompression, in bytes.
const bombSize = 256 << 20

// wireLies have forged answers in HTTP that does not let them count, or that is made to
// keep or exhaust a client.
var wireLies = map[ChainLie]lie{
	"answer-endless": {
		text: "answers never end", records: everything,
		serve: func(_ *liar, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"response":{"value":"`)
			flood(w, r, bytes.Repeat([]byte("QUFB"), 8<<10))
		},
	},
	"answer-endless-spaces": {
		text: "forged answers are followed by spaces without end", records: everything,
		serve: func(_ *liar, w http.ResponseWriter, r *http.Request, usual http.Handler) {
			w.Write(body(usual, r))
			flood(w, r, bytes.Repeat([]byte(" "), 32<<10))
		},
	},
	"answer-oversized": {
		text: "answers are 16 MiB long", records: everything,
		serve: rewritten(func(_ *liar, forged, _ []byte) []byte {
			return bytes.Replace(forged, []byte(`{`), []byte(`{"padding":"`+strings.Repeat("x", 16<<20)+`",`), 1)
		}),
	},
	"answer-slow": {
		text: "answers come byte by byte", records: everything,
		serve: func(_ *liar, w http.ResponseWriter, r *http.Request, usual http.Handler) {
			for _, b := range body(usual, r) {
				w.Write([]byte{b})
				http.NewResponseController(w).Flush()
				if !sleep(r.Context(), drip) {
					return
				}
			}
		},
	},
	"answer-never": {
		text: "answers never begin",
		serve: func(_ *liar, _ http.ResponseWriter, r *http.Request, _ http.Handler) {
			<-r.Context().Done()
		},
	},
	"answer-stops": {
		text: "answers stop in the middle", records: everything,
		serve: func(_ *liar, w http.ResponseWriter, r *http.Request, usual http.Handler) {
			text := body(usual, r)
			w.Write(text[:len(text)/2])
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	},
	"answer-cut": {
		text: "connections break in the middle of answers", records: everything,
		serve: func(_ *liar, w http.ResponseWriter, r *http.Request, usual http.Handler) {
			text := body(usual, r)
			w.Write(text[:len(text)/2])
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	},
	"answer-empty": {
		text:  "answers are empty",
		serve: func(*liar, http.ResponseWriter, *http.Request, http.Handler) {},
	},
	"answer-compressed": {
		text: "answers are small and decompress to 256 MiB", records: everything,
		serve: func(_ *liar, w http.ResponseWriter, r *http.Request, usual http.Handler) {
			forged := body(usual, r)
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "application/json")
			z := gzip.NewWriter(w)
			defer z.Close()
			for range bombSize >> 20 {
				if _, err := z.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
					return
				}
			}
			z.Write(forged)
		},
	},
	"headers-huge": {
		text: "answers have 4 MiB of headers", records: everything,
		serve: func(_ *liar, w http.ResponseWriter, r *http.Request, usual http.Handler) {
			for i := range 64 {
				w.Header().Set("X-Padding-"+strings.Repeat("x", i), strings.Repeat("y", 64<<10))
			}
			usual.ServeHTTP(w, r)
		},
	},
	"headers-endless": {
		text: "answers begin with informational ones without end", records: everything,
		serve: func(_ *liar, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			for r.Context().Err() == nil {
				w.WriteHeader(http.StatusEarlyHints)
				if !sleep(r.Context(), time.Millisecond) {
					return
				}
			}
		},
	},
	"redirect": {
		text: "answers lead to another place, which forges", records: everything,
		serve: redirect(http.StatusFound),
	},
	"redirect-post": {
		text: "answers lead to another place, where requests are to be repeated", records: everything,
		serve: redirect(http.StatusTemporaryRedirect),
	},
	"redirect-endless": {
		text: "answers lead to another place, without end",
		serve: func(_ *liar, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Location", r.URL.String()+"#")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
	},
	"status-500": {
		text: "forged answers have the status 500", records: everything,
		serve: withStatus(http.StatusInternalServerError, "application/json"),
	},
	"status-404": {
		text: "forged answers have the status 404", records: everything,
		serve: withStatus(http.StatusNotFound, "application/json"),
	},
	"status-429": {
		text: "forged answers have the status 429", records: everything,
		serve: withStatus(http.StatusTooManyRequests, "application/json"),
	},
	"status-202": {
		text: "forged answers have the status 202", records: everything,
		serve: withStatus(http.StatusAccepted, "application/json"),
	},
	"status-401": {
		text: "answers ask for a password",
		serve: func(_ *liar, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("WWW-Authenticate", `Basic realm="chain"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	},
	"content-html": {
		text: "answers are the HTML of a proxy",
		serve: func(_ *liar, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html><body>Please log in.</body></html>")
		},
	},
}

// flood writes without end.
func flood(w http.ResponseWriter, r *http.Request, block []byte) {
	for r.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// redirect leads to the same node by another name, where the answers are forged.
func redirect(status int) func(*liar, http.ResponseWriter, *http.Request, http.Handler) {
	return func(l *liar, w http.ResponseWriter, r *http.Request, usual http.Handler) {
		if strings.HasPrefix(r.Host, "localhost") {
			usual.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Location", "http://localhost:"+portOf(l.node.listener.Addr())+r.URL.RequestURI())
		w.WriteHeader(status)
	}
}

// withStatus sends forged answers with a status that does not fit.
func withStatus(status int, contentType string) func(*liar, http.ResponseWriter, *http.Request, http.Handler) {
	return func(_ *liar, w http.ResponseWriter, r *http.Request, usual http.Handler) {
		text := body(usual, r)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write(text)
	}
}
