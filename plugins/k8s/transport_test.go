package k8s

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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
