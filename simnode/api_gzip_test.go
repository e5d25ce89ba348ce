package simnode

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Long answers are compressed for clients that accept it, and hold the same pods.
func TestLongAnswersAreCompressed(t *testing.T) {
	a, url := listening(t)
	list := url + "/api/v1/pods"
	header := func(accept string) http.Header { return http.Header{"Accept-Encoding": {accept}} }
	if resp, _ := get(t, http.MethodGet, list, header("gzip")); resp.Header.Get("Content-Encoding") != "" {
		t.Error("a short answer is compressed")
	}
	for i := range 300 {
		a.Put(testPod("shop", fmt.Sprint("pod-", i), "n1"))
	}
	plain := func(accept string) []byte {
		t.Helper()
		resp, body := get(t, http.MethodGet, list, header(accept))
		if encoding := resp.Header.Get("Content-Encoding"); encoding != "" {
			t.Errorf("encoding %s for a client that accepts %s", encoding, accept)
		}
		return body
	}
	want := plain("identity")
	if len(want) <= gzipBeyond {
		t.Fatalf("%d bytes are too short for this test", len(want))
	}
	plain("br, gzipped")
	for _, accept := range []string{"gzip", "br, gzip"} {
		resp, body := get(t, http.MethodGet, list, header(accept))
		if resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("Vary") != "Accept-Encoding" {
			t.Fatalf("headers %v for a client that accepts %s, want gzip", resp.Header, accept)
		}
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes and error %v, want the %d that are not compressed", len(got), err, len(want))
		}
	}
	resp, body := get(t, http.MethodGet, list+"?watch=true&timeoutSeconds=1", header("gzip"))
	if resp.Header.Get("Content-Encoding") != "" || !strings.Contains(string(body), `"ADDED"`) {
		t.Errorf("headers %v, want a watch that is not compressed", resp.Header)
	}
}
