package prometheus

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/prometheus/common/expfmt"
)

// negotiator tells which format a scraper gets. It remembers the latest answer, as a
// scraper says the same each time.
type negotiator struct {
	formats []expfmt.Format
	latest  atomic.Pointer[negotiated]
}

type negotiated struct {
	accept string
	format expfmt.Format
}

func (n *negotiator) negotiate(h http.Header) expfmt.Format {
	accept := h.Get("Accept") // all that expfmt looks at
	if latest := n.latest.Load(); latest != nil && latest.accept == accept {
		return latest.format
	}
	format := expfmt.NegotiateAccept(h, n.formats...)
	n.latest.Store(&negotiated{accept, format})
	return format
}

// wantsGzip says whether a scraper is to get the page compressed: it ranks gzip above
// the plain page, which it gets otherwise. Of a header that makes no sense, what comes
// before that counts, as in promhttp.
func wantsGzip(h http.Header) bool {
	plain, packed := -1.0, -1.0
	for _, list := range h["Accept-Encoding"] {
		for {
			coding, rest := cutToken(list)
			if coding == "" {
				break
			}
			q := 1.0
			rest = skipSpace(rest)
			if after, found := strings.CutPrefix(rest, ";"); found {
				if after, found = strings.CutPrefix(skipSpace(after), "q="); !found {
					break
				}
				if q, rest = quality(after); q < 0 {
					break
				}
			}
			if coding == "*" || coding == "identity" {
				plain = max(plain, q)
			}
			if coding == "*" || coding == "gzip" {
				packed = max(packed, q)
			}
			var more bool
			if list, more = strings.CutPrefix(skipSpace(rest), ","); !more {
				break
			}
			list = skipSpace(list)
		}
	}
	return packed > plain && packed > 0
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t\r\n") }

// cutToken cuts off a token, with slashes.
func cutToken(s string) (token, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),:;<=>?@[]\{}`, r)
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

// quality reads a weight from 0 to 1; it is negative where there is none.
func quality(s string) (q float64, rest string) {
	if s == "" || s[0] != '0' && s[0] != '1' {
		return -1, ""
	}
	q, rest = float64(s[0]-'0'), s[1:]
	digits, found := strings.CutPrefix(rest, ".")
	if !found {
		return q, rest
	}
	number, scale := 0, 1
	for ; digits != "" && '0' <= digits[0] && digits[0] <= '9'; digits = digits[1:] {
		number, scale = 10*number+int(digits[0]-'0'), 10*scale
	}
	return q + float64(number)/float64(scale), digits
}
