package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/podjoule/podjoule/simnode"
)

// otlpSums is a receiver that adds up the CPU time of pods.
type otlpSums struct {
	mu  sync.Mutex
	sum map[string]int64
}

// ServeHTTP takes OTLP over HTTP.
func (r *otlpSums) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	request := pmetricotlp.NewExportRequest()
	if err := unpack(req, request.UnmarshalProto); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range request.Metrics().ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if m.Name() != "cpu_time_delta" {
					continue
				}
				for _, p := range m.Sum().DataPoints().All() {
					kind, _ := p.Attributes().Get("kind")
					if name, ok := p.Attributes().Get("name"); ok && kind.Str() == "total" {
						r.sum[name.Str()] += p.IntValue()
					}
				}
			}
		}
	}
}

// unpack hands the body of a request on, which is packed with gzip.
func unpack(req *http.Request, to func([]byte) error) error {
	body, err := gzip.NewReader(req.Body)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return to(text)
}

func (r *otlpSums) sums() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.sum)
}

// An agent that is killed in the middle of an outage loses nothing of what it queued in a
// folder: the next one delivers it, once.
func TestKilledInAnOutage(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "queue")
	n := newNode(t, "node-1", simnode.V2)
	config := n.config(fmt.Sprintf("poll_interval = \"20ms\"\n[plugins.prometheus]\n[plugins.otlp]\nprotocol = \"http/protobuf\"\nendpoint = \"http://%s\"\nqueue_dir = %q\n", address, dir))

	r := startProgram(t, "run", "--config", config)
	page := "http://" + r.listening() + "/metrics"
	number := func(expression string) float64 {
		_, body := get(t, page)
		m := regexp.MustCompile(`(?m)^` + expression + ` (\S+)$`).FindStringSubmatch(body)
		if m == nil {
			return 0
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	eventually(t, "the pods' names", func() bool { return named(t, page) })
	for range 10 {
		n.spend(3 * time.Millisecond)
		get(t, page) // and time passes
	}
	const spent = 30_000_000
	eventually(t, "all that was spent, measured", func() bool {
		return number(`podjoule_cpu_time_seconds_total\{kind="total",name="web",[^}]*\}`) == 0.03
	})
	files := func() []string {
		t.Helper()
		all, err := filepath.Glob(filepath.Join(dir, "*.gz"))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := len(files())
	eventually(t, "more ticks in the queue", func() bool { return len(files()) >= before+3 })
	queued := number(`podjoule_otlp_queue_points[^ ]*`)
	r.signal(syscall.SIGKILL)
	r.wait()
	if n := len(files()); n < before+3 {
		t.Fatalf("%d files are left, want the queue", n)
	}

	if l, err = net.Listen("tcp", address); err != nil {
		t.Skipf("the address was taken meanwhile: %v", err)
	}
	receiver := &otlpSums{sum: make(map[string]int64)}
	s := &http.Server{Handler: receiver, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	r = startProgram(t, "run", "--config", config)
	page = "http://" + r.listening() + "/metrics"
	eventually(t, "an empty queue", func() bool {
		return number(`podjoule_otlp_points_total[^ ]*`) > queued && number(`podjoule_otlp_queue_points[^ ]*`) < queued
	})
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	want := map[string]int64{"web": spent, "db": spent, "etcd-node-1": spent}
	if diff := cmp.Diff(want, receiver.sums()); diff != "" {
		t.Errorf("-spent +arrived\n%s", diff)
	}
	if left := files(); len(left) > 0 {
		t.Errorf("%v are left, want an empty queue", left)
	}
}

// named tells whether the page has all pods by their names.
func named(t *testing.T, page string) bool {
	_, body := get(t, page)
	for _, name := range []string{"web", "db", "etcd-node-1"} {
		if !regexp.MustCompile(`podjoule_cpu_time_seconds_total\{kind="total",name="` + name + `"`).MatchString(body) {
			return false
		}
	}
	return true
}
