package attribution

import (
	"fmt"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// BenchmarkApply divides the energy of six domains among 110 pods.
func BenchmarkApply(b *testing.B) {
	const pods, domains = 110, 6
	r := newRig(b, func(c *Config) { c.IdleWatts = map[string]float64{"domain-0": 3} })
	var cpu, energy []*measure.Series
	for i := range pods {
		cpu = append(cpu, r.cpu(fmt.Sprint("pod-", i)))
	}
	for i := range domains {
		energy = append(energy, r.meter(fmt.Sprint("domain-", i)))
	}
	r.work(time.Second, time.Second)
	batch := new(measure.Batch)
	step := func() {
		start := r.end
		r.end = r.end.Add(interval)
		batch.Reset(interval, start, r.end)
		for i, s := range cpu {
			batch.Uint(s, uint64(i)*1_000_003)
		}
		for _, s := range energy {
			batch.Uint(s, 30*joule+7)
		}
		if err := r.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	step()
	step()
	if want := pods + domains + (pods+3)*domains; len(batch.Samples) != want {
		b.Fatalf("%d samples, want %d", len(batch.Samples), want)
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
