package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

func TestPortions(t *testing.T) {
	for _, tt := range []struct {
		whole   int
		amounts []uint64
		want    []int
	}{
		{100, []uint64{0, 0, 0}, []int{0, 0, 0}},
		{100, []uint64{1, 1, 1}, []int{34, 33, 33}},
		{100, []uint64{1, 1, 1, 1, 1, 1}, []int{17, 17, 17, 17, 16, 16}},
		{100, []uint64{995, 4, 1}, []int{100, 0, 0}},
		{100, []uint64{994, 5, 1}, []int{99, 1, 0}},
		{30, []uint64{1, 0, 2}, []int{10, 0, 20}},
		{30, []uint64{math.MaxUint64 / 2, math.MaxUint64 / 2}, []int{15, 15}},
	} {
		if diff := cmp.Diff(tt.want, portions(tt.whole, tt.amounts)); diff != "" {
			t.Errorf("%d by %v (-want +got):\n%s", tt.whole, tt.amounts, diff)
		}
	}
}

// The demo's table takes all that the agent tells of energy, counts the truth from the
// agent's first reading, and a µJ that is missing is told, and an error.
func TestComparisonOfEnergy(t *testing.T) {
	truth := []simnode.Truth{{UID: "u", Namespace: "shop", Name: "web", Alive: true, CPU: time.Second, Energy: 15_000_000}}
	var shown []comparisonTable
	now := func() []simnode.Truth { return truth }
	c := newComparison(now, now, func(x comparisonTable) { shown = append(shown, x) })
	series := func(name string, attributes ...measure.Attribute) *measure.Series {
		return &measure.Series{Metric: &measure.Metric{Name: name, Unit: measure.Microjoule, Kind: measure.Delta}, Attributes: attributes}
	}
	uid := measure.Attribute{Key: "uid", Value: "u"}
	meter, web, ended := series("rapl_consumed_energy"), series("pod_energy", uid), series("pod_energy")
	system, idle, lost := series("energy_system"), series("energy_idle"), series("energy_unattributed")
	end := time.Now()
	write := func(passed time.Duration, last bool, energies map[*measure.Series]uint64) {
		t.Helper()
		b := new(measure.Batch)
		b.Reset(passed, end, end.Add(passed))
		end, b.Last = end.Add(passed), last
		for s, n := range energies {
			b.Uint(s, n)
		}
		if err := c.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	write(0, false, nil)
	truth[0].CPU, truth[0].Energy = 3*time.Second, 45_000_000
	write(2*time.Second, false, map[*measure.Series]uint64{meter: 50_000_000, web: 29_000_000, ended: 1_000_000, system: 4_000_000, idle: 15_500_000, lost: 500_000})
	want := split{measured: 50_000_000, pods: 30_000_000, system: 4_000_000, idle: 15_500_000, unattributed: 500_000}
	if len(shown) != 1 || shown[0].energy != want || shown[0].watts != 25 {
		t.Fatalf("shown %+v, want %+v at 25 W", shown, want)
	}
	if row := shown[0].rows[0]; row.joules != 29_000_000 || row.cost != 30_000_000 || row.watts != 14.5 || !row.metered {
		t.Errorf("row %+v, want 29 J of 30 J, at 14.5 W", row)
	}
	if err := c.energy.check(); err != nil || !strings.Contains(c.energy.sentence(), "equal to the microjoule") {
		t.Errorf("%v, %s", err, c.energy.sentence())
	}
	write(time.Second, true, map[*measure.Series]uint64{meter: 1, web: 2})
	if err := c.energy.check(); err == nil || !strings.Contains(err.Error(), "counted 50000001 µJ, and the parts are 50000002 µJ") ||
		!strings.Contains(shown[1].energy.sentence(), "NOT EQUAL") {
		t.Errorf("%v, %s", err, c.energy.sentence())
	}
	if !shown[1].last || shown[1].watts != 1e-6 || shown[1].rows[0].watts != 2e-6 {
		t.Errorf("then %+v", shown[1])
	}
}

// Words for a demo that was ended at once.
func TestSentencesOfNothing(t *testing.T) {
	if got := new(split).sentence(); got != "The simulated meter counted no energy in that time." {
		t.Error(got)
	}
	if got := energyVerdict(nil); got != "The pods used no energy." {
		t.Error(got)
	}
	if got := new(split).bar(); !strings.HasSuffix(got, "unattributed 0 %") {
		t.Error(got)
	}
}
