package rapl

import (
	"testing"
	"time"

	"github.com/podjoule/podjoule/simnode"
)

// Wraps at every edge, and what is no wrap. K2, K3, S1.
func TestCounter(t *testing.T) {
	intel := &limits{span: simnode.IntelRange, told: 400 * watt, most: socketMost}
	amd := &limits{span: simnode.AMDRange, told: socketDefault, most: socketMost}
	unknown := &limits{told: socketDefault, most: socketMost}
	const r, a = simnode.IntelRange, simnode.AMDRange
	f := func(l *limits, before, now uint64, passed time.Duration, want outcome, sum uint64) {
		t.Helper()
		var c counter
		start := time.Unix(1000, 0)
		if got := c.read(before, start, l); got != baseline {
			t.Errorf("the first reading is %v, want a baseline", got)
		}
		if _, ok := c.take(); ok {
			t.Error("the first reading counts")
		}
		got := c.read(now, start.Add(passed), l)
		n, ok := c.take()
		if got != want || n != sum || ok != (want == forward || want == wrapped) {
			t.Errorf("from %d to %d in %v: outcome %d, %d µJ, counted %v; want outcome %d, %d µJ", before, now, passed, got, n, ok, want, sum)
		}
		// From there on it counts.
		if got := c.read(now, start.Add(passed+time.Second), l); got != forward {
			t.Errorf("from %d to %d: then outcome %d", before, now, got)
		}
	}
	const s = time.Second
	for _, x := range []struct {
		*limits
		r uint64
	}{{intel, r}, {amd, a}} {
		f(x.limits, x.r-1, x.r, s, forward, 1)
		f(x.limits, x.r-1, 0, s, wrapped, 1)
		f(x.limits, x.r-1, 1, s, wrapped, 2)
		f(x.limits, x.r, 0, s, wrapped, 0)
		f(x.limits, x.r, 5, s, wrapped, 5)
		f(x.limits, 0, 0, s, forward, 0)
		f(x.limits, x.r-100*watt, 100*watt, s, wrapped, 200*watt)
		// Reset to 0 and to a small value, from where a wrap cannot come.
		f(x.limits, x.r/2, 0, 5*s, reset, 0)
		f(x.limits, x.r/2, 1234, 5*s, reset, 0)
		f(x.limits, 10, 9, s, reset, 0)
		// Beyond its own range: the range is not true.
		f(x.limits, x.r+1, 0, s, reset, 0)
		f(x.limits, x.r+5, 10, s, reset, 0)
		// It may have gone round more than once.
		f(x.limits, 0, 7, 11*time.Minute, dropped, 0)
		f(x.limits, 7, 0, 11*time.Minute, dropped, 0)
		// No part can consume this: 10 kJ in a second.
		f(x.limits, 0, 10_000*watt, s, reset, 0)
		f(x.limits, 0, 1<<63, s, reset, 0)
	}
	// What can be consumed in the time decides.
	f(intel, r-399*watt, 0, s, wrapped, 399*watt)
	f(intel, r-409*watt, 0, s, reset, 0)
	f(intel, r-1999*watt, 0, 5*s, wrapped, 1999*watt)
	// Readings may lie a little farther apart than it seems.
	f(intel, r-4*watt, 0, time.Millisecond, wrapped, 4*watt)
	f(amd, 0, 20*watt, time.Millisecond, forward, 20*watt)
	// As long as it can go round once only, a long gap counts.
	f(intel, 0, 100_000*watt, 655*s, forward, 100_000*watt)
	f(intel, 0, 100_000*watt, 656*s, dropped, 0)
	f(amd, 0, 30_000*watt, 65*s, forward, 30_000*watt)
	f(amd, 0, 30_000*watt, 66*s, dropped, 0)
	f(unknown, r, 0, s, reset, 0)
	f(unknown, 0, 10*watt, s, forward, 10*watt)
	f(unknown, 0, 10*watt, 66*s, dropped, 0)
}

// A failed reading costs nothing, until the counter may have gone round.
func TestCounterMisses(t *testing.T) {
	l := &limits{span: simnode.AMDRange, told: 1000 * watt, most: socketMost}
	var c counter
	start := time.Unix(1000, 0)
	if c.miss(start, time.Second) {
		t.Error("a baseline expires that never was")
	}
	c.read(10, start, l)
	if c.miss(start.Add(l.wrapTime()), l.wrapTime()) {
		t.Error("the baseline expires too soon")
	}
	late := start.Add(l.wrapTime() + 1)
	if !c.miss(late, l.wrapTime()) || c.miss(late, l.wrapTime()) {
		t.Error("the baseline expires not at all, or twice")
	}
	if got := c.read(20, late, l); got != baseline {
		t.Errorf("outcome %d, want a baseline", got)
	}
}

func TestLimits(t *testing.T) {
	socket := place{domain: domainPackage}
	socket.resource.Kind = kindPackage
	const span = "max_energy_range_uj"
	const power, limit, short = "constraint_0_max_power_uw", "constraint_0_power_limit_uw", "constraint_1_power_limit_uw"
	above := &limits{told: 300 * watt, from: fromZone}
	f := func(p place, above *limits, files map[string]string, told uint64, from string, ok bool) {
		t.Helper()
		dir := t.TempDir()
		for name, text := range files {
			write(t, text, dir, name)
		}
		l, err := limitsOf(dir, p, above)
		if l.told != told || l.from != from || (err == nil) != ok || ok != (l.span == 65_532_610_987) || l.told > l.most {
			t.Errorf("%v: %+v, %v; want %d µW from %s", files, l, err, told, from)
		}
	}
	const amd = "65532610987\n"
	f(socket, nil, map[string]string{span: amd}, socketDefault, fromDefault, true)
	f(socket, nil, map[string]string{span: amd, power: "205000000\n"}, 410*watt, fromZone, true)
	f(socket, nil, map[string]string{span: amd, power: "0\n", limit: "100000000\n", short: "300000000\n"}, 600*watt, fromZone, true)
	f(socket, nil, map[string]string{span: amd, power: "15000000\n"}, leastTold, fromZone, true)
	f(socket, nil, map[string]string{span: amd, limit: "18446744073709551615\n"}, socketMost, fromZone, true) // no limit
	f(socket, nil, map[string]string{span: amd, power: "x"}, socketDefault, fromDefault, true)
	f(socket, above, map[string]string{span: amd}, 300*watt, fromParent, true)
	f(socket, &limits{told: socketDefault, from: fromDefault}, map[string]string{span: amd}, socketDefault, fromDefault, true)
	f(place{domain: domainPlatform}, nil, map[string]string{span: amd}, platformDefault, fromDefault, true)
	f(socket, nil, nil, socketDefault, fromDefault, false)
	f(socket, nil, map[string]string{span: "0\n"}, socketDefault, fromDefault, false)
	f(socket, nil, map[string]string{span: "-1\n"}, socketDefault, fromDefault, false)
}
