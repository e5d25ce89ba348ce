package simnode

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
)

// A real server compresses answers beyond a size, if the client can read that,
// quickly rather than well. It does not compress watches.
const (
	gzipBeyond = 128 << 10 // bytes
	gzipLevel  = gzip.BestSpeed
)

// compressed returns a long body compressed for a client that accepts it, and any
// other as it is. The header says which.
func compressed(header http.Header, r *http.Request, body []byte) ([]byte, error) {
	if len(body) <= gzipBeyond || !acceptsGzip(r.Header.Get("Accept-Encoding")) {
		return body, nil
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzipLevel)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("compress the answer: %w", err)
	}
	header.Set("Content-Encoding", "gzip")
	header.Add("Vary", "Accept-Encoding")
	return out.Bytes(), nil
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if strings.TrimSpace(part) == "gzip" {
			return true
		}
	}
	return false
}
