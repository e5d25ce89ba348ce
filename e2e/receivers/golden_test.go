//go:build receivers

package receivers

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A22, O2, O6, O8: what a Collector writes of one tick is what the README of the plugin otlp says: one
// request, a resource for each pod, names, units, kinds, temporality, and the times at which
// windows begin and end.
func TestGoldenTick(t *testing.T) {
	t.Parallel()
	for _, temporality := range []string{"delta", "cumulative"} {
		t.Run(temporality, func(t *testing.T) {
			t.Parallel()
			n, c := newNode(t, "node-1"), startCollector(t)
			meter := newMeter(t, n)
			// The pod has its name late. What it uses is counted from the first tick on, but energy is
			// divided among pods that have one: until then the meter cannot be read.
			named := make(chan struct{})
			n.api.Inject(100, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				select {
				case <-named:
					next.ServeHTTP(w, r)
				case <-r.Context().Done():
				}
			})
			if err := os.WriteFile(filepath.Join(meter.Path("intel-rapl:0"), "energy_uj"), []byte("not yet\n"), 0o400); err != nil {
				t.Fatal(err)
			}
			procfs := filepath.Join(t.TempDir(), "stat")
			busyFor(t, procfs, 0)
			web := n.bear("web")
			if err := n.tree.SetMemory(web, "main", simnode.Memory{Anon: 48 << 20, File: 16 << 20}); err != nil {
				t.Fatal(err)
			}
			n.procfs, n.tick = filepath.Dir(procfs), "1s"
			a := startAgent(t, n, "metrics = [\"cpu\", \"memory\", \"memory_detail\"]\n[plugins.rapl]\npoll_interval = \"1s\"\n[plugins.attribution]\n[plugins.prometheus]\n",
				c.output("grpc", fmt.Sprintf("temporality = %q", temporality)))
			eventually(t, "some ticks", func() bool {
				return regexp.MustCompile(`podjoule_agent_ticks_total{interval="1s"} [3-9]`).MatchString(get(t, "http://"+a.address+"/metrics"))
			})
			close(named)
			a.sees(t, web)
			if err := meter.Spend("intel-rapl:0", 0); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a tick with everything in it", func() bool {
				all := c.requests(t)
				return len(all) > 1 && all[len(all)-1].has("pod_energy")
			})
			// The agent sleeps while the script goes on: all of it falls into one tick.
			a.freeze(t, func() {
				n.spend(web, 80*time.Millisecond)
				busyFor(t, procfs, 200*time.Millisecond)
				if err := meter.Spend("intel-rapl:0", 2_000_000); err != nil {
					t.Fatal(err)
				}
			})
			a.knows(t, n, web)
			a.end(t)
			c.end(t)
			all := c.requests(t)
			for i := range all[1:] {
				if next := windowOf(all[i+1]); next != 0 && next <= windowOf(all[i]) { // at first only the agent has something to tell
					t.Errorf("the request %d is of the same tick as the one before", i+1)
				}
			}
			got := tickOf(t, all, map[string]string{web: "UID-OF-WEB"})
			file := filepath.Join("testdata", temporality+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-%s +what the Collector wrote\n%s", file, diff)
			}
		})
	}
}

// busyFor writes how long the CPUs of a node have worked, as the kernel tells it.
func busyFor(t *testing.T, stat string, d time.Duration) {
	t.Helper()
	text := fmt.Sprintf("cpu  %d 0 1000 100000 0 0 0 0 0 0\n", 1000+d/(10*time.Millisecond))
	if err := os.WriteFile(stat, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// has tells whether a request has a metric.
func (r *request) has(name string) (found bool) {
	r.eachPoint(func(_ attributes, m *metric, _ *point) { found = found || m.Name == name })
	return found
}

// tickOf shows the first request in which a pod used CPU time. Times are told by the tick
// before, at which the window began, the first of all, at which the totals of CPU time
// began, and the one from which on energy was counted.
func tickOf(t *testing.T, all []request, names map[string]string) string {
	t.Helper()
	var first, energy nanoseconds
	for i := range all {
		used, window, start := false, nanoseconds(0), nanoseconds(0)
		if energy == 0 && i > 0 && all[i].has("rapl_consumed_energy") {
			energy = windowOf(all[i-1])
		}
		all[i].eachPoint(func(_ attributes, m *metric, p *point) {
			if m.Name == "memory_usage" {
				window = p.Time
			}
			if strings.HasPrefix(m.Name, "cpu_time") {
				v, told := p.value(t)
				used, start = used || told && v > 0, p.Start
			}
		})
		if first == 0 && start != 0 {
			first = start
			if counted := time.Duration(windowOf(all[i]) - first); counted < 2*time.Second {
				t.Errorf("what was counted before the pod had its name is told as of %v, want that of two ticks or more", counted)
			}
		}
		if used {
			before := windowOf(all[i-1])
			times := map[nanoseconds]string{first: "the first tick", energy: "the first of energy", before: "the tick before", window: "this tick"}
			if len(times) != 4 {
				t.Fatalf("ticks are the same: %v", times)
			}
			return all[i].text(t, times, names)
		}
	}
	t.Fatal("no request tells of CPU time")
	return ""
}

// windowOf is the end of the window of a request.
func windowOf(r request) (end nanoseconds) {
	r.eachPoint(func(_ attributes, _ *metric, p *point) { end = max(end, p.Time) })
	return end
}

// text shows a request, but for what the agent tells about itself. A share of a window's
// length is not shown, since no two windows are as long.
func (r *request) text(t *testing.T, times map[nanoseconds]string, names map[string]string) string {
	t.Helper()
	var out strings.Builder
	at := func(n nanoseconds) string {
		if name := times[n]; name != "" || n == 0 {
			return name
		}
		return "another time"
	}
	for i := range r.Resources {
		fmt.Fprintf(&out, "resource %s\n  schema %s\n", r.Resources[i].Resource.Attributes.text(names), r.Resources[i].SchemaURL)
		for _, scope := range r.Resources[i].Scopes {
			if scope.Scope.Name != "github.com/podjoule/podjoule" {
				continue
			}
			fmt.Fprintf(&out, "  scope %s\n", scope.Scope.Name)
			for _, m := range scope.Metrics {
				kind, points := m.points()
				fmt.Fprintf(&out, "    %s: %s, %s: %s\n", m.Name, kind, m.Unit, m.Description)
				for k := range points {
					v, _ := points[k].value(t)
					value := strconv.FormatFloat(v, 'f', -1, 64)
					if m.Unit == "%" {
						value = "…"
					}
					fmt.Fprintf(&out, "      %s %s [%s … %s]\n", value, points[k].Attributes.text(names), at(points[k].Start), at(points[k].Time))
				}
			}
		}
	}
	return out.String()
}

// text shows attributes in order, with other names for what is new each time.
func (a attributes) text(names map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(a)) {
		value := a[key]
		if name := names[value]; name != "" {
			value = name
		}
		switch key {
		case "service.version", "service.instance.id":
			value = "…"
		}
		parts = append(parts, key+"="+value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
