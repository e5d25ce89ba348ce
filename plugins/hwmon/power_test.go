package hwmon

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/simnode"
)

// sampled is a chip that shows a power as it is now.
func sampled() []simnode.HwmonChip {
	return []simnode.HwmonChip{{Number: 3, Name: "psu", Device: "devices/i2c-2/2-0058", Sensors: []simnode.HwmonSensor{
		{File: "power1_input", Beside: map[string]string{"label": "pin"}},
	}}}
}

// curve is what samples of a power should add up to: straight lines between those that are
// not too far apart, which begin with a tick.
type curve struct {
	known   bool
	power   uint64
	at      time.Duration
	sum     *big.Int // in half µW·ns
	dropped int64
}

// sample notes one that succeeded or failed.
func (c *curve) sample(power uint64, at time.Duration, ok, tick bool) {
	gap := c.known && at-c.at > few*100*time.Millisecond
	if gap {
		c.dropped++
		c.known = false
	}
	if !ok || !c.known && !tick && !gap {
		return
	}
	if c.known {
		term := new(big.Int).SetUint64(c.power + power)
		c.sum.Add(c.sum, term.Mul(term, big.NewInt(int64(at-c.at))))
	}
	c.known, c.power, c.at = true, power, at
}

// What is told of power adds up to the exact trapezoids of its samples, to the microjoule,
// whichever samples fail, and whenever ticks come. What is between samples that are too far
// apart is left out, and counted.
func TestPowerIsIntegrated(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { integrate(t, rand.New(rand.NewPCG(seed, 11))) })
		})
	}
}

func integrate(t *testing.T, random *rand.Rand) {
	m := newMachine(t, only(Meter{Chip: "psu", Domain: "machine"}), sampled()...)
	m.run()
	truth := curve{sum: new(big.Int)}
	told := new(big.Int)
	failing, power := 0, uint64(0)
	restore := func() {}
	began := time.Now()
	for range 2000 {
		tick := random.IntN(9) == 0 || time.Now().Equal(began)
		if tick {
			got, err := m.tick()
			if (err != nil) != (failing > 0) {
				t.Fatalf("error %v while %d samples fail", err, failing)
			}
			told.Add(told, new(big.Int).SetUint64(got["local_machine machine"]))
		} else {
			synctest.Wait() // for the sample of now
		}
		truth.sample(power, time.Since(began), failing == 0, tick)
		time.Sleep(50 * time.Millisecond)
		power = random.Uint64N(1 + 1000*watt>>random.Uint64N(30))
		m.must(m.Show("2-0058", "power1_input", power))
		if failing > 0 {
			if failing--; failing == 0 {
				restore()
			}
		} else if random.IntN(30) == 0 {
			failing = 1 + random.IntN(9)
			restore = m.fail(unix.EIO, "power1_input")
		}
		time.Sleep(50 * time.Millisecond)
	}
	restore()
	synctest.Wait()
	got, err := m.tick()
	m.must(err)
	truth.sample(power, time.Since(began), true, true)
	told.Add(told, new(big.Int).SetUint64(got["local_machine machine"]))
	if want := truth.sum.Div(truth.sum, big.NewInt(2*int64(time.Second))); told.Cmp(want) != 0 || want.Sign() == 0 {
		t.Errorf("%v µJ told, want %v", told, want)
	}
	if n := m.counts("dropped_intervals"); n != truth.dropped || n == 0 {
		t.Errorf("%d intervals dropped, want %d and some", n, truth.dropped)
	}
}

// A mean tells the time behind it, and is not read quicker than it changes.
func TestMeansAreNotSampledTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, nil, simnode.ACPIMeter(false)...)
		m.run()
		reads, driver := 0, m.source.pread
		m.source.pread = func(fd int, p []byte, offset int64) (int, error) {
			reads++
			return driver(fd, p, offset)
		}
		m.ticked()
		var want uint64
		for n := range 20 {
			time.Sleep(500 * time.Millisecond)
			power := uint64(n+1) * watt
			m.must(m.Show("ACPI000D:00", "power1_average", power))
			time.Sleep(500 * time.Millisecond)
			want += power
			if n%5 != 4 {
				continue
			}
			synctest.Wait()
			if got := m.ticked(); got["local_machine machine"] != want || m.spans["local_machine machine"] != 5*time.Second {
				t.Errorf("after %d s: %v over %v, want %d", n+1, got, m.spans, want)
			}
			want = 0
		}
		if reads != 21 {
			t.Errorf("%d readings of a mean of a second in 20 s, want 21", reads)
		}
	})
}

// A mean of a time that is longer than a window is told when it is known, of its whole time.
func TestMeanOfALongTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chips := simnode.ACPIMeter(true)
		chips[0].Sensors[0].Beside["average_interval"] = "7000"
		m := newMachine(t, nil, chips...)
		m.run()
		m.ticked()
		// Means come at 7, 14, 21 s; ticks at 5, 10, 15, 20, 25.
		for i, want := range []struct {
			energy uint64
			span   time.Duration
		}{{0, 0}, {7 * 200 * joule, 10 * time.Second}, {7 * 200 * joule, 5 * time.Second}, {0, 0}, {7 * 200 * joule, 10 * time.Second}} {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			got := m.ticked()
			if n, there := got["local_machine machine"]; n != want.energy || there != (want.energy > 0) || m.spans["local_machine machine"] != want.span {
				t.Errorf("tick %d: %v over %v, want %d over %v", i, got, m.spans, want.energy, want.span)
			}
		}
		if n := m.counts("dropped_intervals"); n != 0 {
			t.Errorf("%d intervals dropped", n)
		}
	})
}

// How often a meter is sampled follows what it says of its mean, if that can be.
func TestPace(t *testing.T) {
	const sample = 100 * time.Millisecond
	dir := t.TempDir()
	for text, want := range map[string]time.Duration{
		"1000\n": time.Second, "50\n": sample, "0\n": sample, "": sample, "x": sample, "-1\n": sample,
		"3600000\n": time.Hour, "3600001\n": sample, "18446744073709551615\n": sample,
	} {
		f := sensor{average: dir + "/power1_average_interval"}
		write(t, text, f.average)
		if got := paceOf(&f, sample); got != want {
			t.Errorf("%q: each %v, want %v", text, got, want)
		}
	}
	if got := paceOf(&sensor{average: dir + "/x"}, sample); got != sample {
		t.Errorf("without its file: %v", got)
	}
}

// A rail's power is its voltage times its current; a current that flows back is noise.
func TestRails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, only(Meter{Chip: "ina3221", Device: "1-0040", Label: "VDD_CPU_CV", Domain: "package"}), simnode.Jetson()...)
		m.run()
		m.ticked()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := m.ticked(); got["cpu_package 0 package"] != 10*joule { // 5 V, 2 A
			t.Errorf("%v", got)
		}
		write(t, "-12\n", m.Path("1-0040"), "curr2_input")
		m.ticked()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := m.ticked(); got["cpu_package 0 package"] != 0 {
			t.Errorf("with a current of -12 mA: %v", got)
		}
		write(t, "18446744073709551615\n", m.Path("1-0040"), "curr2_input")
		for _, current := range []string{"18446744073709551615\n", "4294967296\n"} {
			write(t, current, m.Path("1-0040"), "curr2_input")
			write(t, "4294967296\n", m.Path("1-0040"), "in2_input")
			if got, err := m.tick(); err == nil {
				t.Errorf("with a power that cannot be: %v", got)
			}
		}
	})
}

// ACPI shows a power that it does not know as one that no machine has.
func TestPowerThatIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, nil, simnode.Grace()...)
		m.run()
		m.ticked()
		m.must(m.Show("ACPI000D:02", "power1_average", 0xFFFFFFFF*1000))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		got, err := m.tick()
		if _, there := got["cpu_package 0 cpu"]; there || len(got) != 7 || err == nil {
			t.Errorf("%v, %v", got, err)
		}
		if got["cpu_package 0 grace"] != 5*300*joule {
			t.Errorf("another meter tells %v", got)
		}
		if err := m.source.Ready(); err == nil {
			t.Error("ready says nothing of it")
		}
		m.status(statusReadError)
	})
}
