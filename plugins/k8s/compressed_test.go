package k8s

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A long list comes compressed and is read as it was before; a watch is not asked to
// be compressed; what claims to be compressed and is not is an error.
func TestCompressedAnswers(t *testing.T) {
	long := strings.Repeat("pods ", 100_000)
	var sent int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accepts := r.Header.Get("Accept-Encoding")
		switch {
		case r.URL.Path == "/broken":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, long)
		case accepts == "gzip":
			w.Header().Set("Content-Encoding", "gzip")
			counted := &countedWriter{Writer: w}
			z := gzip.NewWriter(counted)
			_, _ = io.WriteString(z, long)
			_ = z.Close()
			sent = counted.n
		default:
			_, _ = io.WriteString(w, "as it is: "+accepts)
		}
	}))
	defer server.Close()
	// Go's own compression is off, as the library has it.
	client := &http.Client{Transport: compressed{&http.Transport{DisableCompression: true}}}
	defer client.CloseIdleConnections()
	read := func(path string) (string, error) {
		t.Helper()
		resp, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	if text, err := read("/"); err != nil || text != long || sent == 0 || sent > len(long)/10 {
		t.Errorf("a list: %d bytes, sent in %d, %v; want %d, sent in a tenth", len(text), sent, err, len(long))
	}
	if text, err := read("/?watch=true"); err != nil || text != "as it is: " {
		t.Errorf("a watch: %q, %v", text, err)
	}
	if _, err := read("/broken"); !errors.Is(err, gzip.ErrHeader) {
		t.Errorf("what is not compressed: %v, want %v", err, gzip.ErrHeader)
	}
}

type countedWriter struct {
	io.Writer
	n int
}

func (c *countedWriter) Write(p []byte) (int, error) {
	c.n += len(p)
	return c.Writer.Write(p)
}
