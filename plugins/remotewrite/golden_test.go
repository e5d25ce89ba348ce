package remotewrite

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

func texts(all []got) string {
	var lines strings.Builder
	for _, g := range all {
		lines.WriteString(g.String() + "\n")
	}
	return lines.String()
}

// Three ticks: all series, then one without a sample, then all of them again while one
// ends in the last batch. Ends are marked, starts stay, totals go on (A22, A23).
func TestWhatAReceiverGets(t *testing.T) {
	const (
		cpu    = `{__name__="podjoule_cpu_time_seconds_total",instance="n1",job="podjoule",name="web",uid="u1"} `
		memory = `{__name__="podjoule_memory_usage_bytes",instance="n1",job="podjoule",uid="u1"} `
		energy = `{__name__="podjoule_rapl_consumed_energy_joules_total",domain="package",instance="n1",job="podjoule",resource_id="0",resource_kind="cpu_package"} `

		cpu2    = ` from 1772366404000 type 1 "CPU time" "seconds"` + "\n"
		memory2 = ` from 0 type 2 "Memory" "bytes"` + "\n"
		energy2 = ` from 1772366404000 type 1 "Energy" "joules"` + "\n"
		bare    = ` from 0 type 0 "" ""` + "\n"

		cpuEnd = ` from 0 type 1 "CPU time" "seconds"` + "\n"
	)
	for version, want := range map[string]string{
		Version2: cpu + "1.5 @1772366405000" + cpu2 + memory + "4096 @1772366405000" + memory2 + energy + "2.000001 @1772366405000" + energy2 +
			energy + "4.000002 @1772366406000" + energy2 + cpu + "stale @1772366406000" + cpuEnd + memory + "stale @1772366406000" + memory2 +
			cpu + "3 @1772366407000" + cpu2 + memory + "4096 @1772366407000" + memory2 + energy + "6.000003 @1772366407000" + energy2 +
			cpu + "stale @1772366407001" + cpuEnd,
		Version1: cpu + "1.5 @1772366405000" + bare + memory + "4096 @1772366405000" + bare + energy + "2.000001 @1772366405000" + bare +
			`podjoule_cpu_time_seconds_total 0 @0 from 0 type 1 "CPU time" "seconds"` + "\n" +
			`podjoule_memory_usage_bytes 0 @0 from 0 type 2 "Memory" "bytes"` + "\n" +
			`podjoule_rapl_consumed_energy_joules_total 0 @0 from 0 type 1 "Energy" "joules"` + "\n" +
			energy + "4.000002 @1772366406000" + bare + cpu + "stale @1772366406000" + bare + memory + "stale @1772366406000" + bare +
			cpu + "3 @1772366407000" + bare + memory + "4096 @1772366407000" + bare + energy + "6.000003 @1772366407000" + bare +
			cpu + "stale @1772366407001" + bare,
	} {
		t.Run(version, func(t *testing.T) {
			n := newNode()
			r := newReceiver(t)
			c := config(r.server.URL)
			c.ProtocolVersion = version
			out := start(t, c, n.metrics()...)
			for i, fill := range []func(*measure.Batch){
				n.sample,
				func(b *measure.Batch) { b.Uint(n.joules, 2_000_001) },
				func(b *measure.Batch) { n.sample(b); b.Retire(n.used); b.Last = true },
			} {
				if err := out.Write(t.Context(), batch(i, fill)); err != nil {
					t.Fatal(err)
				}
			}
			if err := out.stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
			if diff := cmp.Diff(want, texts(r.all())); diff != "" {
				t.Errorf("received (-want +got):\n%s", diff)
			}
			if err := out.Ready(); err != nil {
				t.Errorf("Ready: %v", err)
			}
			contentType, number := "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"
			if version == Version1 {
				contentType, number = "application/x-protobuf", "0.1.0"
			}
			for name, want := range map[string]string{
				"Content-Type": contentType, "X-Prometheus-Remote-Write-Version": number,
				"Content-Encoding": "snappy", "User-Agent": "podjoule/test",
			} {
				if got := r.headers[0].Get(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		})
	}
}
