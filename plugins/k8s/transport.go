package k8s

import (
	"bufio"
	"io"
	"mime"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"k8s.io/apimachinery/pkg/runtime"
)

// transport counts the requests that pass through it, and sees to it that their
// answers can be read.
type transport struct {
	next  http.RoundTripper
	count metric.Int64Counter
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	code := "none"
	if err == nil {
		code = strconv.Itoa(resp.StatusCode)
		nameContent(resp)
	}
	t.count.Add(r.Context(), 1, metric.WithAttributes(attribute.String("code", code)))
	return resp, err
}

// nameContent says that an answer is JSON where it is and does not say so. An API
// server always does, but what stands between may drop the header or guess it.
func nameContent(resp *http.Response) {
	switch kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind {
	case runtime.ContentTypeJSON, runtime.ContentTypeProtobuf:
		return
	}
	body := bufio.NewReader(resp.Body)
	if first, err := body.Peek(1); err == nil && first[0] == '{' {
		resp.Header.Set("Content-Type", runtime.ContentTypeJSON)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{body, resp.Body}
}
