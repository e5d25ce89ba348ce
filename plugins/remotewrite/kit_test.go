package remotewrite

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

var tick = time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)

// got is a sample as a receiver has it.
type got struct {
	labels      string // as in {a="b",c="d"}
	bits        uint64
	time, start int64
	kind        uint64
	help, unit  string
}

func (g got) String() string {
	value := strconv.FormatFloat(math.Float64frombits(g.bits), 'g', -1, 64)
	if g.bits == stale {
		value = "stale"
	}
	return fmt.Sprintf("%s %s @%d from %d type %d %q %q", g.labels, value, g.time, g.start, g.kind, g.help, g.unit)
}

// fields splits a message. It fails for what is no message.
func fields(b []byte, field func(protowire.Number, protowire.Type, []byte, uint64)) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var content []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		default:
			return fmt.Errorf("field %d has type %d", number, kind)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		field(number, kind, content, v)
		b = b[n:]
	}
	return nil
}

// checked makes a set of labels a text, and fails for labels that a receiver refuses.
func checked(pairs []string) (string, error) {
	var names, shown []string
	for i := 0; i+1 < len(pairs); i += 2 {
		names = append(names, pairs[i])
		shown = append(shown, pairs[i]+"="+strconv.Quote(pairs[i+1]))
		if pairs[i] == "" || pairs[i+1] == "" {
			return "", fmt.Errorf("an empty label in %q", pairs)
		}
	}
	if len(pairs)%2 != 0 || !slices.IsSorted(names) || len(slices.Compact(names)) != len(pairs)/2 {
		return "", fmt.Errorf("labels %q are not sorted, or not unique", pairs)
	}
	return "{" + strings.Join(shown, ",") + "}", nil
}

// decode2 reads an io.prometheus.write.v2.Request.
func decode2(body []byte) ([]got, error) {
	var symbols []string
	var series [][]byte
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	note(fields(body, func(n protowire.Number, _ protowire.Type, b []byte, _ uint64) {
		switch n {
		case 4:
			symbols = append(symbols, string(b))
		case 5:
			series = append(series, b)
		default:
			note(fmt.Errorf("a request has the field %d", n))
		}
	}))
	if len(symbols) == 0 || symbols[0] != "" {
		note(fmt.Errorf("the first symbol is not empty: %q", symbols))
	}
	text := func(ref uint64) string {
		if ref >= uint64(len(symbols)) {
			note(fmt.Errorf("symbol %d of %d", ref, len(symbols)))
			return ""
		}
		return symbols[ref]
	}
	var all []got
	for _, one := range series {
		var g got
		var pairs []string
		var samples []got
		note(fields(one, func(n protowire.Number, _ protowire.Type, b []byte, _ uint64) {
			switch n {
			case 1:
				for len(b) > 0 {
					ref, size := protowire.ConsumeVarint(b)
					if size < 0 {
						note(protowire.ParseError(size))
						return
					}
					pairs, b = append(pairs, text(ref)), b[size:]
				}
			case 2:
				var s got
				note(fields(b, func(n protowire.Number, _ protowire.Type, _ []byte, v uint64) {
					switch n {
					case 1:
						s.bits = v
					case 2:
						s.time = int64(v)
					case 3:
						s.start = int64(v)
					}
				}))
				samples = append(samples, s)
			case 5:
				note(fields(b, func(n protowire.Number, _ protowire.Type, _ []byte, v uint64) {
					switch n {
					case 1:
						g.kind = v
					case 3:
						g.help = text(v)
					case 4:
						g.unit = text(v)
					}
				}))
			default:
				note(fmt.Errorf("a series has the field %d", n))
			}
		}))
		labels, err := checked(pairs)
		note(err)
		for _, s := range samples {
			s.labels, s.kind, s.help, s.unit = labels, g.kind, g.help, g.unit
			all = append(all, s)
		}
	}
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return all, nil
}

// decode1 reads a prometheus.WriteRequest; metadata come as samples without labels.
func decode1(body []byte) ([]got, error) {
	var all []got
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	note(fields(body, func(n protowire.Number, _ protowire.Type, b []byte, _ uint64) {
		var g got
		var pairs []string
		switch n {
		case 1:
			note(fields(b, func(n protowire.Number, _ protowire.Type, b []byte, _ uint64) {
				note(fields(b, func(inner protowire.Number, _ protowire.Type, b []byte, v uint64) {
					switch {
					case n == 1:
						pairs = append(pairs, string(b))
					case inner == 1:
						g.bits = v
					case inner == 2:
						g.time = int64(v)
					}
				}))
			}))
			var err error
			g.labels, err = checked(pairs)
			note(err)
		case 3:
			note(fields(b, func(n protowire.Number, _ protowire.Type, b []byte, v uint64) {
				switch n {
				case 1:
					g.kind = v
				case 2:
					g.labels = string(b)
				case 4:
					g.help = string(b)
				case 5:
					g.unit = string(b)
				}
			}))
		}
		all = append(all, g)
	}))
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return all, nil
}

// receiver takes remote write as the specification has it.
type receiver struct {
	t      testing.TB
	server *httptest.Server
	// answers are what the next requests get instead of being taken.
	answers chan http.HandlerFunc

	mu       sync.Mutex
	taken    []got
	attempts []time.Time
	headers  []http.Header
}

func newReceiver(t testing.TB) *receiver {
	r := newHandler(t)
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	return r
}

// newHandler is a receiver without a server.
func newHandler(t testing.TB) *receiver {
	return &receiver{t: t, answers: make(chan http.HandlerFunc, 100)}
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	r.attempts = append(r.attempts, time.Now())
	r.headers = append(r.headers, req.Header.Clone())
	r.mu.Unlock()
	select {
	case answer := <-r.answers:
		answer(w, req)
		return
	default:
	}
	if err != nil {
		r.t.Errorf("read a request: %v", err)
	}
	plain, err := snappy.Decode(nil, body)
	if err != nil {
		r.t.Errorf("snappy: %v", err)
	}
	decode := decode2
	if req.Header.Get("Content-Type") == "application/x-protobuf" {
		decode = decode1
	}
	all, err := decode(plain)
	if err != nil {
		r.t.Errorf("decode: %v", err)
	}
	r.mu.Lock()
	r.taken = append(r.taken, all...)
	r.mu.Unlock()
	w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(len(all)))
	w.WriteHeader(http.StatusNoContent)
}

// all returns what was taken so far.
func (r *receiver) all() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.taken)
}

func (r *receiver) tries() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.attempts)
}

// code answers with a code.
func code(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "the reason")
	}
}

// running is an output whose Run runs.
type running struct {
	*output
	host *plugintest.Host
	stop func() error
}

func start(t testing.TB, c *Config, metrics ...*measure.Metric) *running {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	return startOn(t, plugintest.NewHost(t, metrics...), c)
}

// startOn starts on a host, whatever the configuration is.
func startOn(t testing.TB, host *plugintest.Host, c *Config) *running {
	t.Helper()
	opened, err := c.Open(t.Context(), host.Host)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	out := opened.(*output)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- out.Run(ctx) }()
	r := &running{output: out, host: host}
	r.stop = sync.OnceValue(func() error {
		cancel()
		err := <-ended
		if closing := out.Close(); closing != nil {
			t.Errorf("Close: %v", closing)
		}
		return err
	})
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func config(url string) *Config {
	c := Plugin().Config().(*Config)
	c.URL = url
	c.Labels = map[string]string{"instance": "n1"}
	return c
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// node is a few metrics and series.
type node struct {
	cpu, memory, energy    *measure.Metric
	used, resident, joules *measure.Series
}

func newNode() *node {
	machine := measure.Resource{Kind: measure.LocalMachine}
	n := &node{
		cpu:    &measure.Metric{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta, Help: "CPU time", Attributes: []string{"name", "uid"}},
		memory: &measure.Metric{Name: "memory_usage", Unit: measure.Byte, Help: "Memory", Attributes: []string{"name", "uid"}},
		energy: &measure.Metric{Name: "rapl_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta, Help: "Energy", Attributes: []string{"domain"}},
	}
	web := []measure.Attribute{{Key: "name", Value: "web"}, {Key: "uid", Value: "u1"}}
	n.used = &measure.Series{Metric: n.cpu, Resource: machine, Attributes: web}
	n.resident = &measure.Series{Metric: n.memory, Resource: machine, Attributes: web[1:]}
	n.joules = &measure.Series{Metric: n.energy, Resource: measure.Resource{Kind: "cpu_package", ID: "0"},
		Attributes: []measure.Attribute{{Key: "domain", Value: "package"}}}
	return n
}

func (n *node) metrics() []*measure.Metric { return []*measure.Metric{n.cpu, n.memory, n.energy} }

// batch makes the i-th batch of one second.
func batch(i int, fill func(*measure.Batch)) *measure.Batch {
	b := new(measure.Batch)
	end := tick.Add(time.Duration(i) * time.Second)
	b.Reset(time.Second, end.Add(-time.Second), end)
	fill(b)
	return b
}

func (n *node) sample(b *measure.Batch) {
	b.Uint(n.used, 1_500_000_000)
	b.Uint(n.resident, 4096)
	b.Uint(n.joules, 2_000_001)
}
