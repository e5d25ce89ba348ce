package attribution

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		key    string // "" for none that is wrong
		want   string
	}{
		{func(*Config) {}, "", ""},
		{by(policies()...), "", ""},
		{func(c *Config) { c.DRAMBy = "memory" }, "", ""},
		{func(c *Config) { c.IdleWatts = map[string]float64{"package": 0, "dram": 2.5} }, "", ""},
		{by(), "policies", "known are separate, by_usage, by_request"},
		{by("by_magic"), "policies", `unknown policy "by_magic"`},
		{by(byUsage, byUsage), "policies", "twice"},
		{func(c *Config) { c.DRAMBy = "traffic" }, "dram_by", `want cpu_time or memory, have "traffic"`},
		{func(c *Config) { c.DRAMBy = "" }, "dram_by", "want cpu_time or memory"},
		{func(c *Config) { c.DRAMBy = "socket_cpu_time" }, "dram_by", "want cpu_time or memory"},
		{func(c *Config) { c.IdleWatts = map[string]float64{"package": -1} }, "idle_watts", "package: want watts"},
	} {
		config := defaults()
		c.change(config)
		err := config.Validate()
		var key *plugin.KeyError
		if c.key == "" && err != nil || c.key != "" && (!errors.As(err, &key) || key.Key != c.key || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want an error of %q with %q", config, err, c.key, c.want)
		}
	}
}

// What is missing is told at the start, with what helps.
func TestOpenNamesWhatIsMissing(t *testing.T) {
	without := func(names ...string) []*measure.Metric {
		return slices.DeleteFunc(allMetrics(), func(m *measure.Metric) bool { return slices.Contains(names, m.Name) })
	}
	byRAM := func(c *Config) { c.DRAMBy = "memory" }
	for _, c := range []struct {
		metrics []*measure.Metric
		change  func(*Config)
		files   map[string]string
		want    string // "" for no error
	}{
		{without(), by(policies()...), nil, ""},
		{without(cpuRequest, memoryRequest, memoryUsage, socketTime), by(separate, byUsage), nil, ""},
		{without(memoryRequest), by(byRequest), nil, ""},
		{without(cpuTime), by(separate), nil, `enable [plugins.k8s] with the metrics "cpu"`},
		{without(cpuRequest), by(separate, byRequest), nil, `by_request needs what pods reserved, which no plugin tells: set metrics = ["cpu", "memory", "requests"] of [plugins.k8s]`},
		{without(), byRAM, nil, ""},
		{without(memoryUsage), byRAM, nil, `dram_by = "memory" needs the memory of pods, which no plugin measures: set metrics = ["cpu", "memory"] of [plugins.k8s]`},
		{without(), byRAM, map[string]string{"meminfo": "MemTotal: 5 kB\n"}, "meminfo: it has no line MemAvailable:; set procfs_root"},
		{without(), byRAM, map[string]string{"meminfo": ""}, "set procfs_root"},
	} {
		config := defaults()
		c.change(config)
		r := &rig{t: t, node: make([]nodeTime, 1), host: plugintest.NewHost(t, c.metrics...)}
		r.host.ProcfsRoot, r.host.SysfsRoot = t.TempDir(), t.TempDir()
		r.work(0, 0)
		r.remember(1<<30, 8<<30)
		for name, text := range c.files {
			r.write(text, r.host.ProcfsRoot, name)
		}
		opened, err := config.Open(t.Context(), r.host.Host)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error with %q", config, err, c.want)
		}
		if err == nil {
			if err := opened.(*attribution).Close(); err != nil {
				t.Error(err)
			}
		}
	}
	host := plugintest.NewHost(t, allMetrics()...)
	host.ProcfsRoot = t.TempDir()
	if _, err := defaults().Open(t.Context(), host.Host); err == nil || !strings.Contains(err.Error(), "set procfs_root of [agent]") {
		t.Errorf("without /proc: %v", err)
	}
}
