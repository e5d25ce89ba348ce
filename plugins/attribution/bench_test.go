package attribution

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// fullNode returns what has a node with 110 pods and six domains measure and divide one window.
func fullNode(t testing.TB) (step func()) {
	const pods, domains = 110, 6
	r := newRig(t, func(c *Config) { c.IdleWatts = map[string]float64{"domain-0": 3} })
	var cpu, energy []*measure.Series
	for i := range pods {
		cpu = append(cpu, r.cpu(fmt.Sprint("pod-", i)))
	}
	for i := range domains {
		energy = append(energy, r.meter(fmt.Sprint("domain-", i)))
	}
	r.work(time.Second, time.Second)
	batch, x := new(measure.Batch), uint64(1)
	step = func() {
		start := r.end
		r.end = r.end.Add(interval)
		batch.Reset(interval, start, r.end)
		for i, s := range cpu {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			batch.Uint(s, uint64(i)*(x>>44))
		}
		for _, s := range energy {
			batch.Uint(s, 30*joule+7)
		}
		if err := r.Apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	step()
	step()
	if want := pods + domains + (pods+3)*domains; len(batch.Samples) != want {
		t.Fatalf("%d samples, want %d", len(batch.Samples), want)
	}
	return step
}

func TestApplyAllocatesNothing(t *testing.T) {
	if allocs := testing.AllocsPerRun(100, fullNode(t)); allocs != 0 {
		t.Errorf("%v allocations in a window, want 0", allocs)
	}
}

// BenchmarkApply divides the energy of six domains among 110 pods. It fails when that takes
// longer than the limit in the best of many runs, which others on the machine disturb least.
func BenchmarkApply(b *testing.B) {
	const limit, run, enough = 20 * time.Microsecond, 50, 40
	step := fullNode(b)
	best, runs := time.Duration(math.MaxInt64), 0
	began, steps := time.Now(), 0
	b.ReportAllocs()
	for b.Loop() {
		step()
		if steps++; steps == run {
			best, runs, steps = min(best, time.Since(began)/run), runs+1, 0
			began = time.Now()
		}
	}
	if runs == 0 {
		return // too short to tell
	}
	b.ReportMetric(float64(best)/1e3, "µs-best")
	if runs >= enough && best > limit {
		b.Errorf("a window takes %v in the best of %d runs, want at most %v", best, runs, limit)
	}
}
