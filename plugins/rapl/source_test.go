package rapl

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

const joule = 1_000_000

// The dies of a socket wait for one that cannot be read, so that a sample is of all of
// them, but not for ever.
func TestDiesWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, simnode.MultiDie()...)
		spend := func() {
			m.spend("intel-rapl:0", 1*joule)
			m.spend("intel-rapl:1", 2*joule)
			time.Sleep(5 * time.Second)
		}
		m.ticked()
		restore := m.fail(unix.EINVAL, "intel-rapl:1")
		spend()
		if got, _ := m.tick(); len(got) != 3 {
			t.Errorf("with one die missing: %v", got)
		}
		restore()
		spend()
		if got := m.ticked(); got["cpu_package 0 package"] != 6*joule || m.spans["cpu_package 0 package"] != 10*time.Second {
			t.Errorf("then %v over %v", got, m.spans)
		}
		restore = m.fail(unix.EINVAL, "intel-rapl:1")
		var got map[string]uint64
		for range 13 {
			spend()
			got, _ = m.tick()
		}
		if got["cpu_package 0 package"] != 13*joule || m.spans["cpu_package 0 package"] != 65*time.Second {
			t.Errorf("after more than a minute: %v over %v", got, m.spans)
		}
		if n := m.counts("dropped_intervals", attribute.String("reason", "gap")); n != 1 {
			t.Errorf("%d intervals dropped, want 1", n)
		}
		restore()
		spend()
		m.ticked()
		spend()
		if got := m.ticked(); got["cpu_package 0 package"] != 3*joule || m.spans["cpu_package 0 package"] != 5*time.Second {
			t.Errorf("when it is back: %v over %v", got, m.spans)
		}
	})
}

// Wraps are followed, resets are not guessed, and both are counted. K3, S1.
func TestWrapAndReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zone := simnode.PowercapZone{Folder: "intel-rapl:0", Name: "package-0", Range: simnode.AMDRange, Start: simnode.AMDRange - 100*joule}
		m := newMachine(t, zone)
		m.ticked()
		step := func(want uint64, there bool) {
			t.Helper()
			time.Sleep(5 * time.Second)
			got := m.ticked()
			if n, ok := got["cpu_package 0 package"]; n != want || ok != there {
				t.Errorf("%v, want %d", got, want)
			}
		}
		m.spend("intel-rapl:0", 300*joule)
		step(300*joule, true)
		m.must(m.Reset("intel-rapl:0", 7))
		step(0, false)
		m.spend("intel-rapl:0", 50*joule)
		step(50*joule, true)
		m.must(m.Reset("intel-rapl:0", 0))
		step(0, false)
		if wraps, resets := m.counts("wraps"), m.counts("resets"); wraps != 1 || resets != 2 {
			t.Errorf("%d wraps and %d resets, want 1 and 2", wraps, resets)
		}
		// Two wraps in one gap.
		m.spend("intel-rapl:0", 2*simnode.AMDRange+5)
		time.Sleep(10 * time.Minute)
		step(0, false)
		if n := m.counts("dropped_intervals"); n != 1 {
			t.Errorf("%d intervals dropped, want 1", n)
		}
		m.spend("intel-rapl:0", 50*joule)
		step(50*joule, true)
		if m.spans["cpu_package 0 package"] != 5*time.Second {
			t.Errorf("over %v", m.spans)
		}
	})
}

// Between ticks that are far apart counters are read, so that nothing is lost.
func TestTicksThatAreFarApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		psys := simnode.PowercapZone{Folder: "intel-rapl:2", Name: "psys", Range: simnode.AMDRange} // round in 16 s at 4 kW
		m := newMachine(t, append(simnode.AMDServer(), psys)...)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- m.source.Run(ctx) }()
		m.ticked()
		const steps, energy = 360, 3000 * joule // 300 W for an hour: more than 16 times around
		for range steps {
			m.spend("intel-rapl:0", energy)
			time.Sleep(10 * time.Second)
		}
		if got := m.ticked(); got["cpu_package 0 package"] != steps*energy || got["cpu_package 1 package"] != 0 || m.spans["cpu_package 0 package"] != time.Hour {
			t.Errorf("%v over %v, want %d", got, m.spans, steps*energy)
		}
		if wraps, dropped := m.counts("wraps"), m.counts("dropped_intervals"); wraps != steps*energy/simnode.AMDRange || dropped != 0 {
			t.Errorf("%d wraps, %d dropped", wraps, dropped)
		}
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// A counter that no tick has read yet begins with a tick, so that its first delta is of a
// whole window.
func TestNoBaselineBetweenTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, simnode.AMDServer()...)
		restore := m.fail(unix.EINVAL, "intel-rapl:0")
		_, _ = m.tick()
		restore()
		time.Sleep(time.Minute / 2)
		m.source.keepUp(t.Context())
		m.spend("intel-rapl:0", 5*joule)
		m.spend("intel-rapl:1", 7*joule)
		time.Sleep(time.Minute / 2)
		got := m.ticked()
		if _, there := got["cpu_package 0 package"]; there || got["cpu_package 1 package"] != 7*joule {
			t.Errorf("%v", got)
		}
		m.spendAll(simnode.AMDServer())
		if got := m.ticked(); got["cpu_package 0 package"] != 1 || m.spans["cpu_package 0 package"] != 5*time.Second {
			t.Errorf("then %v over %v", got, m.spans)
		}
	})
}

// The driver is loaded anew: the counters go on, and so do the series.
func TestDriverIsLoadedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, simnode.TwoSocketServer()...)
		m.ticked()
		devices := filepath.Join(m.host.SysfsRoot, "devices/virtual/powercap/intel-rapl")
		restore := m.fail(unix.ENODEV, "intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl:1:0")
		m.spendAll(simnode.TwoSocketServer())
		if got, err := m.tick(); err == nil || len(got) != 0 {
			t.Errorf("without a driver: %v, %v", got, err)
		}
		for _, z := range m.source.zones {
			if z.fd >= 0 {
				t.Errorf("the file of %s, which is gone, is open", z.label())
			}
		}
		rename(t, devices, devices+".away")
		m.spendAll(simnode.TwoSocketServer())
		if got := m.ticked(); len(got) != 0 {
			t.Errorf("without a tree: %v", got)
		}
		m.status(statusMasked)
		restore()
		rename(t, devices+".away", devices)
		time.Sleep(lookInterval - 5*time.Second)
		m.spendAll(simnode.TwoSocketServer())
		if got := m.ticked(); len(got) != 4 || got["dram 1 dram"] != 3000 || m.spans["dram 1 dram"] != lookInterval+10*time.Second {
			t.Errorf("then %v over %v", got, m.spans)
		}
		m.status(statusOK)
		if len(m.ended) != 0 {
			t.Errorf("%v ended", m.ended)
		}
	})
}

// Folders that are given to other zones are told by their names.
func TestFoldersChangePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, simnode.TwoSocketServer()...)
		m.ticked()
		restore := m.fail(unix.ENODEV, "intel-rapl:0", "intel-rapl:1")
		time.Sleep(5 * time.Second)
		_, _ = m.tick()
		restore()
		write(t, "package-1\n", m.Path("intel-rapl:0"), "name")
		write(t, "package-0\n", m.Path("intel-rapl:1"), "name")
		m.spendAll(simnode.TwoSocketServer())
		if got := m.ticked(); len(got) != 0 {
			t.Errorf("baselines of other zones tell %v", got)
		}
		m.spendAll(simnode.TwoSocketServer())
		if got := m.ticked(); got["cpu_package 1 package"] != 1 || got["cpu_package 0 package"] != 100 || got["dram 1 dram"] != 10 {
			t.Errorf("%v", got)
		}
		if len(m.ended) != 0 {
			t.Errorf("%v ended", m.ended)
		}
	})
}

// Zones that are gone for good end their series, once, also where what is open of them
// goes on telling its last value.
func TestZonesGoForGood(t *testing.T) {
	for name, fails := range map[string]bool{"the driver says so": true, "they are not in the tree": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t, simnode.TwoSocketServer()...)
				m.ticked()
				if fails {
					m.fail(unix.ENODEV, "intel-rapl:1", "intel-rapl:1:0")
				}
				m.must(os.RemoveAll(m.Path("intel-rapl:1")))
				for range 12 * 15 {
					time.Sleep(5 * time.Second)
					_, _ = m.tick()
				}
				slices.Sort(m.ended)
				if want := []string{"cpu_package 1 package", "dram 1 dram"}; !slices.Equal(m.ended, want) {
					t.Errorf("%v ended, want %v", m.ended, want)
				}
				time.Sleep(time.Second)
				if got := m.ticked(); len(got) != 2 {
					t.Errorf("then %v", got)
				}
				if len(m.source.zones) != 2 || len(m.source.domains) != 2 {
					t.Errorf("%d zones and %d domains are kept", len(m.source.zones), len(m.source.domains))
				}
			})
		})
	}
}

// A part that counts more than what holds it is left out.
func TestCoreThatExceedsItsPackage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, simnode.AMDServer()...)
		m.ticked()
		m.spend("intel-rapl:0", 100*joule)
		m.spend("intel-rapl:0:0", 200*joule)
		m.spend("intel-rapl:1", 100*joule)
		m.spend("intel-rapl:1:0", 110*joule) // as two readings that are not quite simultaneous may have it
		time.Sleep(5 * time.Second)
		got := m.ticked()
		if _, there := got["cpu_package 0 core"]; there || len(got) != 3 || got["cpu_package 1 core"] != 110*joule {
			t.Errorf("%v", got)
		}
		if n := m.counts("dropped_intervals", attribute.String("reason", "exceeds_package")); n != 1 {
			t.Errorf("%d intervals dropped, want 1", n)
		}
		// What it counted in a longer time is held against nothing.
		restore := m.fail(unix.EINVAL, "intel-rapl:1:0")
		for range 2 {
			m.spend("intel-rapl:1", 1000*joule)
			m.spend("intel-rapl:1:0", 900*joule)
			time.Sleep(5 * time.Second)
			got, _ = m.tick()
			restore()
		}
		if got["cpu_package 1 core"] != 1800*joule || got["cpu_package 1 package"] != 1000*joule {
			t.Errorf("after a missing reading: %v", got)
		}
	})
}

// The last batch tells what is there, whoever is waited for.
func TestLastBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, simnode.MultiDie()...)
		m.ticked()
		m.fail(unix.EINVAL, "intel-rapl:1")
		m.spendAll(simnode.MultiDie())
		b := new(measure.Batch)
		b.Reset(5*time.Second, m.end, time.Now())
		b.Last = true
		_ = m.source.Poll(t.Context(), b)
		for i := range b.Samples {
			if n, _ := b.Samples[i].Uint(); nameOf(b.Samples[i].Series) == "cpu_package 0 package" && n == 1 {
				return
			}
		}
		t.Errorf("%v: nothing of the die that could be read", b.Samples)
	})
}

func TestPollAllocatesNothing(t *testing.T) {
	m := newMachine(t, simnode.MultiDie()...)
	b := new(measure.Batch)
	poll := func() {
		b.Reset(time.Second, m.end, m.end.Add(time.Second))
		m.end = m.end.Add(time.Second)
		m.must(m.source.Poll(t.Context(), b))
	}
	m.end = time.Now()
	poll()
	poll()
	if len(b.Samples) != 4 {
		t.Fatalf("%d samples, want 4", len(b.Samples))
	}
	if n := testing.AllocsPerRun(100, poll); n != 0 {
		t.Errorf("%v allocations a tick, want 0", n)
	}
}
