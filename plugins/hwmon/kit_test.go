package hwmon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

const (
	joule = 1_000_000
	watt  = 1_000_000
)

// machine is a tree of hwmon and the plugin that measures with it.
type machine struct {
	testing.TB
	*simnode.Hwmon
	host   *plugintest.Host
	source *source
	end    time.Time // of the last window
	ended  []string  // series that have ended
	spans  map[string]time.Duration
}

// open opens the plugin on a tree that is there, or not.
func open(t testing.TB, sysfs string, change func(*Config)) *machine {
	t.Helper()
	m := &machine{TB: t, host: plugintest.NewHost(t, metrics()...)}
	m.host.SysfsRoot = sysfs
	config := Plugin().Config().(*Config)
	if change != nil {
		change(config)
	}
	m.must(config.Validate())
	opened, err := config.Open(t.Context(), m.host.Host)
	m.must(err)
	m.source = opened.(*source)
	t.Cleanup(func() { m.must(m.source.Close()) })
	return m
}

// newMachine makes a tree of chips and opens the plugin on it.
func newMachine(t testing.TB, change func(*Config), chips ...simnode.HwmonChip) *machine {
	t.Helper()
	dir := t.TempDir()
	tree, err := simnode.NewHwmon(dir, chips...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { noError(t, tree.Close()) })
	m := open(t, dir, change)
	m.Hwmon = tree
	return m
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) must(err error) {
	m.Helper()
	noError(m, err)
}

// run has the plugin's Run run until the test ends.
func (m *machine) run() {
	m.Helper()
	ctx, cancel := context.WithCancel(m.Context())
	over := make(chan error, 1)
	go func() { over <- m.source.Run(ctx) }()
	m.Cleanup(func() {
		cancel()
		if err := <-over; err != nil {
			m.Error(err)
		}
	})
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
	return m.tellOf(b), err
}

func (m *machine) tellOf(b *measure.Batch) map[string]uint64 {
	m.Helper()
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
		got[key], m.spans[key] = n, b.End.Sub(b.StartOf(x))
	}
	for _, s := range b.Ended {
		m.ended = append(m.ended, nameOf(s))
	}
	return got
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
	return m.host.Counter(m, "podjoule.hwmon."+name, attrs...)
}

func (m *machine) status(want status) {
	m.Helper()
	for _, st := range statuses() {
		got := m.counts("status", attribute.String("status", string(st)))
		if (got == 1) != (st == want) {
			m.Errorf("status %s is %d, want the status %s", st, got, want)
		}
	}
}

// uses tells how many sensors are used so.
func (m *machine) uses(use string) int64 {
	m.Helper()
	return m.counts("sensors", attribute.String("use", use))
}

// fail has drivers refuse to read sensors, by the ends of their files' paths, until
// restored.
func (m *machine) fail(errno unix.Errno, ends ...string) (restore func()) {
	m.source.mu.Lock()
	defer m.source.mu.Unlock()
	driver := m.source.pread
	m.source.pread = func(fd int, p []byte, offset int64) (int, error) {
		for _, x := range m.source.meters {
			i := slices.Index(x.fds, fd)
			if i >= 0 && slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(x.files[i], end) }) {
				return 0, errno
			}
		}
		return driver(fd, p, offset)
	}
	return func() {
		m.source.mu.Lock()
		defer m.source.mu.Unlock()
		m.source.pread = driver
	}
}

// write writes a file of a tree, and the folders above it.
func write(t testing.TB, text string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	noError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	noError(t, os.WriteFile(file, []byte(text), 0o644))
}

// only is a configuration that names its meters.
func only(meters ...Meter) func(*Config) { return func(c *Config) { c.Meters = meters } }

var _ plugin.Runner = (*source)(nil)
