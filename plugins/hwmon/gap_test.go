package hwmon

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/simnode"
)

// Without samples between ticks nothing is guessed.
func TestTicksAloneAreTooFarApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, nil, simnode.ACPIMeter(false)...)
		m.ticked()
		for range 3 {
			time.Sleep(6 * time.Second) // a mean of a second, 5 of which may be missing
			if got := m.ticked(); len(got) != 0 {
				t.Errorf("%v", got)
			}
		}
		if n := m.counts("dropped_intervals"); n != 3 {
			t.Errorf("%d intervals dropped, want 3", n)
		}
		time.Sleep(5 * time.Second)
		if got := m.ticked(); got["local_machine machine"] != 1000*joule || m.spans["local_machine machine"] != 5*time.Second {
			t.Errorf("%v over %v", got, m.spans)
		}
	})
}

// A meter of power that no tick has read yet begins with a tick, so that its first delta is
// of a whole window; and counters are read at ticks alone.
func TestNoBaselineBetweenTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, only(Meter{Chip: "psu", Domain: "machine"}, Meter{Chip: "power_meter", Domain: "other"},
			Meter{Chip: "amd_energy", Label: "Esocket0", Domain: "package"}), slices.Concat(sampled(), simnode.ACPIMeter(false), simnode.AMDEnergy(2, 1))...)
		m.run()
		counters, driver := 0, m.source.pread
		m.source.pread = func(fd int, p []byte, offset int64) (int, error) {
			for _, x := range m.source.meters {
				if x.kind == energyCounter && x.fds[0] == fd {
					counters++
				}
			}
			return driver(fd, p, offset)
		}
		m.must(m.Show("2-0058", "power1_input", 10*watt))
		restore := m.fail(unix.EIO, "power1_input")
		_, _ = m.tick()
		restore()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := m.ticked(); len(got) != 2 || got["local_machine other"] != 1000*joule {
			t.Errorf("%v, want the meter and the counter that could be read", got)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := m.ticked(); got["local_machine machine"] != 50*joule || m.spans["local_machine machine"] != 5*time.Second {
			t.Errorf("then %v over %v", got, m.spans)
		}
		if counters != 3 {
			t.Errorf("the counter is read %d times in 3 ticks", counters)
		}
	})
}

// After samples that are too far apart, what is counted belongs to the window that it is
// counted in, and not to those before in which nothing was.
func TestWindowAfterAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, only(Meter{Chip: "psu", Domain: "machine"}), sampled()...)
		m.run()
		m.must(m.Show("2-0058", "power1_input", 10*watt))
		m.ticked()
		restore := m.fail(unix.EIO, "power1_input")
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		_, _ = m.tick()
		time.Sleep(250 * time.Millisecond)
		restore()
		time.Sleep(250 * time.Millisecond) // a sample after 600 ms, and another one
		synctest.Wait()
		if got := m.ticked(); got["local_machine machine"] != 2*joule || m.spans["local_machine machine"] != 500*time.Millisecond {
			t.Errorf("%v over %v, want 2 J in the last window", got, m.spans)
		}
		// What was counted before the gap, and of the window before, stays.
		restore = m.fail(unix.EIO, "power1_input")
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		_, _ = m.tick()
		time.Sleep(50 * time.Millisecond)
		restore()
		time.Sleep(100 * time.Millisecond) // a sample after 400 ms
		restore = m.fail(unix.EIO, "power1_input")
		time.Sleep(500 * time.Millisecond)
		restore()
		time.Sleep(150 * time.Millisecond) // samples after 600 and 700 ms
		synctest.Wait()
		if got := m.ticked(); got["local_machine machine"] != 5*joule || m.spans["local_machine machine"] != 1100*time.Millisecond {
			t.Errorf("%v over %v, want 5 J in two windows", got, m.spans)
		}
		if n := m.counts("dropped_intervals"); n != 2 {
			t.Errorf("%d intervals dropped, want 2", n)
		}
	})
}
