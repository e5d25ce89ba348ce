package k8s

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
)

// An answer that does not come, or stops in the middle, is told from one that the
// caller gave up.
func TestTransportLimitsAnswers(t *testing.T) {
	silent := func(http.ResponseWriter, *http.Request) {}
	half := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"kind":`)
		_ = http.NewResponseController(w).Flush()
	}
	f := func(name string, begin http.HandlerFunc, callers time.Duration, late bool) {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				begin(w, r)
				<-r.Context().Done()
			}))
			defer server.Close()
			count, err := noop.Meter{}.Int64Counter("requests")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), callers)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := transport{http.DefaultTransport, count, 50 * time.Millisecond}.RoundTrip(req)
			if err == nil {
				defer resp.Body.Close()
				_, err = io.ReadAll(resp.Body)
			}
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errNoAnswer) != late {
				t.Errorf("error %v, want one of the transport's limit: %t", err, late)
			}
		})
	}
	f("silence", silent, time.Hour, true)
	f("half a body", half, time.Hour, true)
	f("the caller's own end", silent, time.Millisecond, false)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

// An answer that never ends does not fill the memory; a watch may be long.
func TestTransportLimitsBytes(t *testing.T) {
	count, err := noop.Meter{}.Int64Counter("requests")
	if err != nil {
		t.Fatal(err)
	}
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: endless{}, Request: r}, nil
	})
	for query, limited := range map[string]bool{"": true, "?watch=true": false} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport{base, count, time.Hour}.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.CopyN(io.Discard, resp.Body, 2*answerLimit)
		if limited && (n > answerLimit || err == nil || !strings.Contains(err.Error(), "more than 64 MiB")) || !limited && err != nil {
			t.Errorf("%q: %d bytes and %v", query, n, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
