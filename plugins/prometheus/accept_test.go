package prometheus

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func TestWantsGzip(t *testing.T) {
	for _, tt := range []struct {
		header []string
		want   bool
	}{
		{nil, false}, {[]string{""}, false}, {[]string{"gzip"}, true}, {[]string{"identity"}, false},
		{[]string{"zstd;q=0.9, gzip;q=0.8"}, true}, {[]string{"gzip, identity"}, false}, {[]string{"identity;q=0.5, gzip"}, true},
		{[]string{"gzip;q=0"}, false}, {[]string{"*"}, false}, {[]string{"*;q=0.1,gzip"}, true}, {[]string{"br", "gzip"}, true},
		{[]string{"gzip;q=2"}, false}, {[]string{"gzip;level=1"}, false}, {[]string{"deflate;x, gzip"}, false}, {[]string{"GZIP"}, false},
	} {
		if got := wantsGzip(http.Header{"Accept-Encoding": tt.header}); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.header, got, tt.want)
		}
	}
}

// FuzzWantsGzip reads any header as promhttp does.
func FuzzWantsGzip(f *testing.F) {
	for _, seed := range []string{
		"gzip", "gzip;q=0.5 , identity; q=0.50", "*;q=0,gzip;q=0.001", "gzip;q=1.5,identity;q=1.", "gzip ;\tq=0.9,", "a/b,gzip", "ü,gzip",
		"gzip;q=.5", "gzip;q=,x", "identity;q=0.99999999999999999999, gzip",
	} {
		f.Add(seed, "")
		f.Add(seed, "gzip;q=0.7")
	}
	handler := promhttp.HandlerFor(prometheus.NewRegistry(), promhttp.HandlerOpts{})
	f.Fuzz(func(t *testing.T, first, second string) {
		header := http.Header{"Accept-Encoding": {first, second}}
		want := get(t, handler, "/metrics", header).Header().Get("Content-Encoding") == "gzip"
		if got := wantsGzip(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	})
}
