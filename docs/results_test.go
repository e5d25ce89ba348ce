package docs_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// results are what benchmarks have printed, in the format of Go's benchmarks.
type results struct {
	config map[string]string // such as cpu, kernel
	values map[string][]float64
}

// key names one quantity of one benchmark, whatever the number of processors.
func key(name, unit string) string { return name + " " + unit }

// parseResults reads what go test -bench has printed, with lines of configuration
// before it; of those with the same key the first counts. It returns an error for a
// line of a benchmark that cannot be read, and where there is none.
func parseResults(text string) (*results, error) {
	r := &results{make(map[string]string), make(map[string][]float64)}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "Benchmark") || len(fields) < 2 {
			if name, value, ok := strings.Cut(line, ": "); ok && !strings.Contains(name, " ") && r.config[name] == "" {
				r.config[name] = strings.TrimSpace(value)
			}
			continue
		}
		if len(fields)%2 != 0 {
			return nil, fmt.Errorf("%q: want pairs of a value and its unit", line)
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				r.config["processors"] = name[i+1:]
				name = name[:i]
			}
		}
		for i := 2; i < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			r.values[key(name, fields[i+1])] = append(r.values[key(name, fields[i+1])], value)
		}
	}
	if len(r.values) == 0 {
		return nil, fmt.Errorf("no benchmark has run: %q", text)
	}
	return r, nil
}

// tree is the kind of tree on which sweeps were measured: v1 and v2 are real ones.
func (r *results) tree() (string, error) {
	for name := range r.values {
		if rest, ok := strings.CutPrefix(name, "BenchmarkSweep/tree="); ok {
			tree, _, _ := strings.Cut(rest, "/")
			return tree, nil
		}
	}
	return "", fmt.Errorf("no sweep was measured")
}

// reader takes what a section needs out of results, and remembers what was missing.
type reader struct {
	*results
	missing []string
}

// median is the median of all runs.
func (r *reader) median(name, unit string) float64 {
	all := slices.Sorted(slices.Values(r.values[key(name, unit)]))
	if len(all) == 0 {
		r.missing = append(r.missing, key(name, unit))
		return 0
	}
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// told is a line of the configuration.
func (r *reader) told(name string) string {
	if r.config[name] == "" {
		r.missing = append(r.missing, name)
	}
	return r.config[name]
}

// err names what was missing.
func (r *reader) err() error {
	if len(r.missing) == 0 {
		return nil
	}
	return fmt.Errorf("the results lack: %s", strings.Join(r.missing, ", "))
}

const someResults = `kernel: 6.1.0-30
go: go1.26.8
goos: linux
pkg: github.com/podjoule/podjoule/cgroup
cpu: AMD EPYC
BenchmarkSweep/tree=v1/pods=110/ratio-2  	  74	     21437 ns/pod	  1.100 x-pread
BenchmarkSweep/tree=v1/pods=110/ratio-2  	  70	     21000 ns/pod	  1.500 x-pread
BenchmarkSweep/tree=v1/pods=110/ratio-2  	  74	     1e4 ns/pod	  1.000 x-pread
PASS
ok  	github.com/podjoule/podjoule/cgroup	8.338s
pkg: github.com/podjoule/podjoule/plugins/k8s
cpu: another
BenchmarkBirth-2  300  0.25 ms/birth
BenchmarkBirth-2  300  0.35 ms/birth
BenchmarkOn1  300  5 ns/op
`

func TestParseResults(t *testing.T) {
	parsed, err := parseResults(someResults)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{results: parsed}
	if tree, err := r.tree(); tree != "v1" || err != nil {
		t.Errorf("got tree %q and error %v", tree, err)
	}
	for name, want := range map[string]string{"kernel": "6.1.0-30", "cpu": "AMD EPYC", "processors": "2"} {
		if got := r.told(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]float64{
		"BenchmarkSweep/tree=v1/pods=110/ratio x-pread": 1.1, "BenchmarkSweep/tree=v1/pods=110/ratio ns/pod": 21000,
		"BenchmarkBirth ms/birth": 0.3, "BenchmarkOn1 ns/op": 5,
	} {
		name, unit, _ := strings.Cut(name, " ")
		if got := r.median(name, unit); got != want {
			t.Errorf("%s: got %v %s, want %v", name, got, unit, want)
		}
	}
	if err := r.err(); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	r.median("BenchmarkBirth", "x-pread")
	r.told("emulated")
	if err := r.err(); err == nil || !strings.Contains(err.Error(), "BenchmarkBirth x-pread, emulated") {
		t.Errorf("got error %v, want one that names what is missing", err)
	}
	for name, text := range map[string]string{
		"nothing": "", "no benchmark": "goos: linux\nPASS\n", "failed": "--- FAIL: BenchmarkSweep\nFAIL\n",
		"no unit": "BenchmarkBirth-2  300  0.25\n", "no number": "BenchmarkBirth-2  300  much ms/birth\n",
	} {
		if _, err := parseResults(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := (&results{}).tree(); err == nil {
		t.Error("no sweep: no error")
	}
}
