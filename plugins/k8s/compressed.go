package k8s

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// compressed has answers compressed, which makes a list of pods a tenth of its size.
// An API server compresses lists of more than 128 KiB, and no watch. Go's own transport
// does the same, but not as the client library sets it up.
type compressed struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (c compressed) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Accept-Encoding") != "" || isWatch(r) {
		return c.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Accept-Encoding", "gzip")
	resp, err := c.next.RoundTrip(r)
	if err != nil || !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return resp, err
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength, resp.Uncompressed = -1, true
	resp.Body = &gzipBody{body: resp.Body}
	return resp, nil
}

func isWatch(r *http.Request) bool { return r.URL.Query().Get("watch") != "" }

// gzipBody is a body that is read decompressed.
type gzipBody struct {
	body   io.ReadCloser
	reader *gzip.Reader // nil before the first read
}

// Read implements io.Reader.
func (b *gzipBody) Read(p []byte) (int, error) {
	if b.reader == nil {
		reader, err := gzip.NewReader(b.body)
		if err != nil {
			return 0, err
		}
		b.reader = reader
	}
	return b.reader.Read(p)
}

// Close implements io.Closer.
func (b *gzipBody) Close() error { return b.body.Close() }
