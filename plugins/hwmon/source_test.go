package hwmon

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

const (
	amd   = "amd_energy.0"
	first = "cpu_package 0 package" // told by energy3_input of AMDEnergy(2, 2)
	next  = "cpu_package 1 package" // by energy4_input
)

// What is told of counters adds up to what they counted, to the microjoule, whichever
// readings fail and whenever they are reset; but for what was counted around a reset.
// K1, K2, K3.
func TestBalance(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { balance(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func balance(t *testing.T, random *rand.Rand) {
	m := newMachine(t, nil, simnode.AMDEnergy(2, 2)...)
	m.ticked()
	files := map[string]string{first: "energy3_input", next: "energy4_input"}
	told, lost, unread, covered := map[string]uint64{}, map[string]uint64{}, map[string]uint64{}, map[string]time.Duration{}
	shown := map[string]uint64{first: 2 * watt, next: 3 * watt}
	wasReset, read := map[string]bool{}, map[string]uint64{first: 2 * watt, next: 3 * watt}
	began, resets, number := time.Now(), int64(0), 1
	for i := range 500 {
		time.Sleep(time.Duration(1+random.IntN(5000)) * time.Millisecond)
		var failing []string
		for name, file := range files {
			energy := random.Uint64N(400 * joule)
			m.must(m.Spend(amd, file, energy))
			shown[name], unread[name] = shown[name]+energy, unread[name]+energy
			if random.IntN(40) == 0 && read[name] > 2 && !wasReset[name] {
				shown[name], wasReset[name] = random.Uint64N(read[name]-1), true
				m.must(m.Show(amd, file, shown[name]))
				continue // what follows before the next reading may hide it
			}
			if random.IntN(6) == 0 && !wasReset[name] {
				failing = append(failing, file)
			}
		}
		if i%100 == 50 { // under another number
			number++
			m.must(m.Move(amd, number))
			m.source.looked = time.Time{}
		}
		restore := m.fail(unix.EIO, failing...)
		got, err := m.tick()
		restore()
		if (err != nil) != (len(failing) > 0) {
			t.Fatalf("%v, want an error of %v", err, failing)
		}
		for name, file := range files {
			n, there := got[name]
			told[name] += n
			covered[name] += m.spans[name]
			if slices.Contains(failing, file) {
				if there {
					t.Fatalf("%d of %s, which fails", n, name)
				}
				continue
			}
			if there == wasReset[name] {
				t.Fatalf("%s: told %v, reset %v", name, got, wasReset)
			}
			if wasReset[name] {
				lost[name] += unread[name]
				resets++
			}
			read[name], unread[name], wasReset[name] = shown[name], 0, false
		}
	}
	if _, err := m.tick(); err != nil {
		t.Fatal(err)
	}
	for name, file := range files {
		if want := m.Spent(amd, file) - lost[name] - unread[name]; told[name] != want {
			t.Errorf("%s: %d µJ told, %d counted", name, told[name], want)
		}
		if all := time.Since(began); covered[name] > all || covered[name] < all/2 {
			t.Errorf("%s: told of %v in %v", name, covered[name], all)
		}
	}
	if got := m.counts("resets"); got != resets || resets == 0 {
		t.Errorf("%d resets counted, want %d and some", got, resets)
	}
}

// A reading that fails costs one meter one tick; the next one tells of both. Also the very
// first window may be the one.
func TestDriverFails(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EINVAL, unix.EIO, unix.EAGAIN} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t, nil, simnode.AMDEnergy(2, 2)...)
			m.ticked()
			restore := m.fail(errno, "energy3_input")
			for range 2 {
				m.must(m.Spend(amd, "energy3_input", 7))
				m.must(m.Spend(amd, "energy4_input", 5))
				time.Sleep(5 * time.Second)
				if got, err := m.tick(); err == nil || len(got) != 1 || got[next] != 5 {
					t.Errorf("%v: %v, %v", errno, got, err)
				}
				m.status(statusReadError)
			}
			restore()
			time.Sleep(5 * time.Second)
			if got := m.ticked(); got[first] != 14 || m.spans[first] != 15*time.Second || got[next] != 0 || m.spans[next] != 5*time.Second {
				t.Errorf("%v: then %v over %v", errno, got, m.spans)
			}
			m.status(statusOK)
			if n := m.counts("read_errors"); n != 2 {
				t.Errorf("%d read errors, want 2", n)
			}
		})
	}
}

// The last batch tells of power until its end.
func TestLastBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, only(Meter{Chip: "psu", Domain: "machine"}), sampled()...)
		m.run()
		m.must(m.Show("2-0058", "power1_input", 100*watt))
		m.ticked()
		time.Sleep(730 * time.Millisecond)
		synctest.Wait()
		b := new(measure.Batch)
		b.Reset(5*time.Second, m.end, time.Now())
		b.Last = true
		m.must(m.source.Poll(t.Context(), b))
		if got := m.tellOf(b); got["local_machine machine"] != 73*joule {
			t.Errorf("%v, want 73 J", got)
		}
	})
}

func TestPollAllocatesNothing(t *testing.T) {
	m := newMachine(t, nil, slices.Concat(simnode.AMDEnergy(2, 2), simnode.ACPIMeter(false), simnode.OtherSensors())...)
	b := new(measure.Batch)
	m.end = time.Now()
	poll := func() {
		b.Reset(time.Second, m.end, m.end.Add(time.Second))
		m.end = m.end.Add(time.Second)
		m.must(m.source.Poll(t.Context(), b))
		for _, x := range m.source.meters {
			x.pace, x.next = time.Hour, time.Time{} // so that it is due now, and soon enough
		}
		m.source.keepUp(t.Context())
	}
	poll()
	poll()
	poll()
	if len(b.Samples) != 3 || m.counts("dropped_intervals") != 0 {
		t.Fatalf("%d samples, want 3; %d intervals dropped", len(b.Samples), m.counts("dropped_intervals"))
	}
	if n := testing.AllocsPerRun(100, poll); n != 0 {
		t.Errorf("%v allocations a tick, want 0", n)
	}
}

// BenchmarkRead is a tick of a superchip with eight meters.
func BenchmarkRead(b *testing.B) {
	m := newMachine(b, func(c *Config) { c.Sample = 1e6 }, simnode.Grace()...)
	batch := new(measure.Batch)
	end := time.Now()
	poll := func() {
		batch.Reset(time.Second, end, end.Add(time.Second))
		end = end.Add(time.Second)
		if err := m.source.Poll(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	poll()
	for _, x := range m.source.meters {
		x.pace, x.kind = time.Hour, powerInput // which is due at each tick
	}
	b.ReportAllocs()
	for b.Loop() {
		poll()
	}
	if len(batch.Samples) != 8 {
		b.Fatalf("%d samples, want 8", len(batch.Samples))
	}
}
