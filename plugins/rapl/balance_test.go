package rapl

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/simnode"
)

// book holds what a zone has consumed against what was told of it.
type book struct {
	simnode.PowercapZone
	shown, read uint64 // by the counter, now and when it was last read
	unread      uint64 // consumed since it was last read
	reset       bool   // since it was last read
	lost        uint64 // consumed around resets
}

// What is told adds up to what was consumed, to the microjoule, whatever wraps, is reset,
// fails or is read late; but for what was consumed around a reset. K1, K2, K3, K12, A29.
func TestBalance(t *testing.T) {
	for name, zones := range map[string][]simnode.PowercapZone{
		"Intel client": simnode.IntelClient(), "two sockets": simnode.TwoSocketServer(), "AMD": simnode.AMDServer(), "several dies": simnode.MultiDie(),
	} {
		for seed := range uint64(10) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { balance(t, zones, rand.New(rand.NewPCG(seed, 7))) })
			})
		}
	}
}

func balance(t *testing.T, zones []simnode.PowercapZone, random *rand.Rand) {
	zones = slices.Clone(zones)
	var books []*book
	for i := range zones {
		z := &zones[i]
		z.Start = z.Range - random.Uint64N(z.Range/50) // soon at its end
		if !strings.HasPrefix(z.Folder, "intel-rapl-mmio") {
			books = append(books, &book{PowercapZone: *z, shown: z.Start, read: z.Start})
		}
	}
	m := newMachine(t, zones...)
	m.ticked()
	told := make(map[string]uint64)
	most, resets := uint64(0), int64(0)
	for range 400 {
		passed := time.Duration(1+random.IntN(5000)) * time.Millisecond
		time.Sleep(passed)
		most += uint64(passed/time.Millisecond) * joule // 1 kW, of ten zones at most
		for _, k := range books {
			k.live(m, random, passed)
		}
		var failing []string
		for _, k := range books {
			if random.IntN(8) == 0 {
				failing = append(failing, k.Folder)
			}
		}
		restore := m.fail(unix.EINVAL, failing...)
		got, err := m.tick()
		restore()
		if (err != nil) != (len(failing) > 0) {
			t.Fatalf("%v, want an error of %v", err, failing)
		}
		for _, k := range books {
			if !slices.Contains(failing, k.Folder) && k.settle() {
				resets++
			}
		}
		for key, n := range got {
			if told[key] += n; told[key] > most {
				t.Fatalf("%s has %d µJ of at most %d", key, told[key], most)
			}
		}
	}
	time.Sleep(time.Second)
	for key, n := range m.ticked() {
		told[key] += n
	}
	want := make(map[string]uint64)
	for _, k := range books {
		if k.settle() {
			resets++
		}
		for _, z := range m.source.zones {
			if z.folder == k.Folder {
				want[nameOf(newSeries(z.place, ""))] += m.Spent(k.Folder) - k.lost
			}
		}
	}
	for key, n := range want {
		if told[key] != n {
			t.Errorf("%s: %d µJ told, %d consumed", key, told[key], n)
		}
	}
	if len(told) != len(want) {
		t.Errorf("told of %v, want %v", sortedKeys(told), sortedKeys(want))
	}
	if got := m.counts("resets"); got != resets || resets == 0 {
		t.Errorf("%d resets counted, want %d and some", got, resets)
	}
	if m.counts("wraps") == 0 || m.counts("dropped_intervals") != 0 {
		t.Errorf("%d wraps, %d intervals dropped; want some, and none", m.counts("wraps"), m.counts("dropped_intervals"))
	}
}

// live has a zone consume up to 100 W, and now and then be reset.
func (k *book) live(m *machine, random *rand.Rand, passed time.Duration) {
	if k.Name == "core" || k.Name == "uncore" {
		return // they would have to stay below their package
	}
	energy := random.Uint64N(uint64(passed/time.Millisecond)*100_000 + 1)
	m.spend(k.Folder, energy)
	k.shown, k.unread = (k.shown+energy)%k.Range, k.unread+energy
	// Only from where no wrap can come: neither from so near the end, nor to so far.
	if random.IntN(50) == 0 && !k.reset && k.read > 10_000*joule && k.read < k.Range-40_000*joule {
		k.reset, k.shown = true, random.Uint64N(1000*joule)
		m.must(m.Reset(k.Folder, k.shown))
	}
}

// settle notes that the zone was read, and reports whether it had been reset.
func (k *book) settle() (reset bool) {
	if reset = k.reset; reset {
		k.lost += k.unread
	}
	k.read, k.unread, k.reset = k.shown, 0, false
	return reset
}
