package rapl

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// machine is a powercap tree, PMUs, or both, and the plugin that measures it.
type machine struct {
	testing.TB
	*simnode.Powercap
	pmus   *simnode.PMUs
	host   *plugintest.Host
	source *source
	end    time.Time // of the last window
	ended  []string  // series that have ended
	spans  map[string]time.Duration
}

// open opens the plugin on a tree that is there, or not.
func open(t testing.TB, sysfs string) *machine {
	t.Helper()
	return openBy(t, sourceAuto, sysfs)
}

// openBy is open with a choice of the way.
func openBy(t testing.TB, choice, sysfs string) *machine {
	t.Helper()
	m := &machine{TB: t, host: plugintest.NewHost(t, metrics()...)}
	m.host.SysfsRoot, m.host.ProcfsRoot = sysfs, filepath.Join(sysfs, "proc")
	config := Plugin().Config().(*Config)
	config.Source = choice
	opened, err := config.Open(t.Context(), m.host.Host)
	if err != nil {
		t.Fatal(err)
	}
	m.source = opened.(*source)
	t.Cleanup(func() { m.must(m.source.Close()) })
	return m
}

// newMachine makes a tree of zones and opens the plugin on it.
func newMachine(t testing.TB, zones ...simnode.PowercapZone) *machine {
	t.Helper()
	dir := t.TempDir()
	tree, err := simnode.NewPowercap(dir, zones...)
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, dir)
	m.Powercap = tree
	t.Cleanup(func() { m.must(tree.Close()) })
	return m
}

func (m *machine) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *machine) spend(folder string, energy uint64) {
	m.Helper()
	m.must(m.Spend(folder, energy))
}

// tick ends a window and returns what it tells, by resource and domain, and the error.
func (m *machine) tick() (map[string]uint64, error) {
	m.Helper()
	start, end := m.end, time.Now()
	if start.IsZero() {
		start = end
	}
	m.end = end
	b, err := plugintest.Poll(m, m.source, end.Sub(start), start, end)
	got := make(map[string]uint64)
	m.spans = make(map[string]time.Duration)
	for i := range b.Samples {
		x := &b.Samples[i]
		key := nameOf(x.Series)
		if _, twice := got[key]; twice {
			m.Errorf("%s is there twice", key)
		}
		n, counted := x.Uint()
		if !counted {
			m.Errorf("%s is no integer", key)
		}
		got[key], m.spans[key] = n, end.Sub(b.StartOf(x))
	}
	for _, s := range b.Ended {
		m.ended = append(m.ended, nameOf(s))
	}
	return got, err
}

// ticked is tick where nothing may fail.
func (m *machine) ticked() map[string]uint64 {
	m.Helper()
	got, err := m.tick()
	m.must(err)
	return got
}

// nameOf names a series as in "cpu_package 0 core".
func nameOf(s *measure.Series) string {
	domain, _ := s.Attribute(keyDomain)
	return strings.Join(strings.Fields(fmt.Sprint(s.Resource.Kind, " ", s.Resource.ID, " ", domain)), " ")
}

// counts returns one of the plugin's own counters.
func (m *machine) counts(name string, attrs ...attribute.KeyValue) int64 {
	m.Helper()
	return m.host.Counter(m, "podjoule.rapl."+name, attrs...)
}

func (m *machine) status(want status) {
	m.Helper()
	for _, st := range []status{statusOK, statusNoTree, statusNoZones, statusNoPermission, statusMasked, statusReadError} {
		got := m.counts("status", attribute.String("status", string(st)))
		if (got == 1) != (st == want) {
			m.Errorf("status %s is %d, want the status %s", st, got, want)
		}
	}
}

// fail has the driver refuse to read zones, by a part of their paths, until restored.
func (m *machine) fail(errno unix.Errno, parts ...string) (restore func()) {
	driver := m.source.kernel.pread
	m.source.kernel.pread = func(fd int, p []byte, offset int64) (int, error) {
		for _, z := range m.source.zones {
			if z.fd == fd && slices.ContainsFunc(parts, func(part string) bool { return z.folder == part }) {
				return 0, errno
			}
		}
		return driver(fd, p, offset)
	}
	return func() { m.source.kernel.pread = driver }
}

// write writes a file of a tree, and the folders above it.
func write(t testing.TB, text string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), cmp.Compare[string])
}
