package estimate

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// node is a node whose files a test writes, and the plugin on it.
type node struct {
	t         *testing.T
	host      *plugintest.Host
	source    *source
	proc, sys string
	end       time.Time
}

// newNode returns a node with the CPU of the given /proc/cpuinfo; "" is none.
func newNode(t *testing.T, cpuinfo string) *node {
	n := &node{t: t, host: plugintest.NewHost(t), proc: t.TempDir(), sys: t.TempDir(), end: noon()}
	n.host.ProcfsRoot, n.host.SysfsRoot = n.proc, n.sys
	if cpuinfo != "" {
		n.write(filepath.Join(n.proc, "cpuinfo"), cpuinfo)
	}
	n.stat(0, 1)
	return n
}

func (n *node) write(path, text string) {
	n.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// stat says how many ticks the threads were busy. Idle, iowait and steal are not told the
// truth: they count for nothing.
func (n *node) stat(busy, threads uint64) {
	n.t.Helper()
	text := fmt.Sprintf("cpu  %d 0 0 12345678 999 0 0 777777 5 6\n", busy)
	for i := range threads {
		text += fmt.Sprintf("cpu%d %d 0 0 0 0 0 0 0 0 0\n", i, busy/threads)
	}
	n.write(filepath.Join(n.proc, "stat"), text+"intr 5 4 3\n")
}

// zone makes a zone of a meter, below /sys/class/powercap.
func (n *node) zone(path, name string, energy uint64) {
	n.t.Helper()
	folder := filepath.Join(n.sys, "class", "powercap", path)
	n.write(filepath.Join(folder, "name"), name+"\n")
	n.write(filepath.Join(folder, "energy_uj"), fmt.Sprintf("%d\n", energy))
	n.write(filepath.Join(folder, "max_energy_range_uj"), "262143328850\n")
}

// open opens the plugin.
func (n *node) open(c *Config) {
	n.t.Helper()
	if err := c.Validate(); err != nil {
		n.t.Fatal(err)
	}
	opened, err := c.Open(n.t.Context(), n.host.Host)
	if err != nil {
		n.t.Fatal(err)
	}
	n.source = opened.(*source)
	n.t.Cleanup(func() {
		if err := opened.(io.Closer).Close(); err != nil {
			n.t.Error(err)
		}
	})
}

// poll ends a window after some time, and returns what there is in it by metric and part,
// in µJ, and the series that ended. Other sources have told some before.
func (n *node) poll(after time.Duration, others ...*measure.Series) (got map[string]float64, ended int) {
	n.t.Helper()
	b, err := n.tryPoll(after, others...)
	if err != nil {
		n.t.Fatal(err)
	}
	return values(b), len(b.Ended)
}

func (n *node) tryPoll(after time.Duration, others ...*measure.Series) (*measure.Batch, error) {
	n.t.Helper()
	b := new(measure.Batch)
	b.Reset(time.Second, n.end, n.end.Add(after))
	for _, s := range others {
		b.Uint(s, 1)
	}
	n.end = b.End
	return b, n.source.Poll(n.t.Context(), b)
}

func values(b *measure.Batch) map[string]float64 {
	got := make(map[string]float64)
	for i := range b.Samples {
		part, _ := b.Samples[i].Series.Attribute(keyPart)
		got[b.Samples[i].Series.Metric.Name+" "+part] = b.Samples[i].Float()
	}
	return got
}

// defaults returns the default configuration.
func defaults() *Config { return Plugin().Config().(*Config) }

var _ plugin.Poller = (*Config)(nil)
