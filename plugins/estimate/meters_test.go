package estimate

import (
	"strings"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
)

var _ plugin.Metered = (*source)(nil)

// A model stands for a meter where there is none, and says what it is; beside a meter it
// is not needed, unless to compare.
func TestMeters(t *testing.T) {
	const epyc = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7763 64-Core Processor\nstepping\t: 1\n"
	for _, tt := range []struct {
		name, cpuinfo string
		change        func(*Config)
		metered       bool
		meter         string
		state         plugin.MeterState
		why, remedy   string
		idle          float64 // µJ in a second
	}{
		{"known", epyc, nil, false, "model amd-epyc-gen3", plugin.MeterUsed, "an estimate of the whole server at the wall, from what 28 servers with such a CPU took", "", 424_000},
		{"unknown", "", nil, false, "model unknown", plugin.MeterUsed, "the CPU is not known", "set model to the nearest", 679_000},
		{"configured", "", func(c *Config) { c.IdleWatts, c.FullWatts = 2, 5 }, false, "model configured", plugin.MeterUsed, "with the watts of the configuration", "", 2_000_000},
		{"beside a meter", epyc, nil, true, "model amd-epyc-gen3", plugin.MeterNotNeeded, "this node has an energy meter that can be read", "", 0},
		{"to compare", epyc, func(c *Config) { c.Compare = true }, true, "model amd-epyc-gen3", plugin.MeterUsed, "28 servers", "", 424_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, tt.cpuinfo)
			if tt.metered {
				n.zone("intel-rapl:0", "package-0", 5)
			}
			c := defaults()
			if tt.change != nil {
				tt.change(c)
			}
			n.open(c)
			n.poll(0)
			got, _ := n.poll(time.Second)
			meters := n.source.Meters()
			if len(meters) != 1 {
				t.Fatalf("%+v, want one meter", meters)
			}
			m := meters[0]
			if m.Name != tt.meter || m.State != tt.state || m.Domain != domain || m.Resource.Kind != "local_machine" ||
				!strings.Contains(m.Why, tt.why) || !strings.HasPrefix(m.Remedy, tt.remedy) || (m.Remedy == "") != (tt.remedy == "") {
				t.Errorf("%+v, want %s, %s because %s; %s", m, tt.meter, tt.state, tt.why, tt.remedy)
			}
			if want := map[bool]int{true: int(parts), false: 0}[tt.state == plugin.MeterUsed]; len(m.Energy) != want {
				t.Errorf("%d series, want %d", len(m.Energy), want)
			}
			if got["estimated_energy idle"] != tt.idle {
				t.Errorf("%v, want %v µJ of idle energy", got, tt.idle)
			}
		})
	}
}
