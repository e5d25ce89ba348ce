package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/podjoule/podjoule/simnode"
)

// shownTable is a table of two pods.
func shownTable(elapsed time.Duration, last bool) comparisonTable {
	return comparisonTable{
		rows: []comparisonRow{
			{namespace: "shop", name: "web", alive: true, seen: true, percent: 12.5, measured: 1500 * time.Millisecond, actual: 1501 * time.Millisecond,
				memory: 3 << 20, memoryKnown: true, watts: 1.875, joules: 22_500_000, cost: 22_515_000, metered: true,
				truth: simnode.Truth{Memory: 3 << 20, MemoryKnown: true}},
			{namespace: "batch", name: "job", actual: time.Second, cost: 15_000_000},
		},
		energy: split{measured: 60_000_001, pods: 22_500_000, system: 5_000_001, idle: 32_500_000},
		watts:  20, elapsed: elapsed, last: last,
	}
}

func TestTableIsWrittenAnewOnATerminal(t *testing.T) {
	const table = `               CPU %  CPU s  truth  MiB  truth  watts  joules  truth
shop        web           12.5  1.500  1.501  3.0    3.0   1.88   22.50  22.52
batch       job (ended)      -      -  1.000    -      -      -       -  15.00

simulated meter: 60.0 J, now 20.0 W
███████████▓▓▓░░░░░░░░░░░░░░░░  █ pods 38 %  ▓ system 8 %  ░ idle 54 %  · unattributed 0 %
`
	const verdicts = `
Measured 1.500 s of CPU time in 2 pods; the truth is 2.501 s: 40.02 % apart.
The pods' part of the energy is 22.500 J; the truth is 37.515 J: 40.02 % apart.
The simulated meter counted 60.000001 J = pods 22.500000 + system 5.000001 + idle 32.500000 +
unattributed 0.000000: equal to the microjoule.
`
	for name, tt := range map[string]struct {
		columns int
		between string
	}{
		"terminal": {100, "\x1b[6A\x1b[J"},
		// Where the terminal breaks lines, there are more of them to go up.
		"narrow terminal": {80, "\x1b[7A\x1b[J"},
		"no terminal":     {0, "\n"},
	} {
		var out strings.Builder
		d := &display{out: &out, columns: func() int { return tt.columns }}
		d.show(shownTable(10*time.Second, false))
		d.show(shownTable(14*time.Second, true))
		if want := "after 10 s" + table + tt.between + "after 14 s" + table + verdicts; out.String() != want {
			t.Errorf("%s: got\n%q\nwant\n%q", name, out.String(), want)
		}
	}
}

// Without a terminal a table comes now and then.
func TestTableIsPrintedNowAndThen(t *testing.T) {
	var out strings.Builder
	d := &display{out: &out, columns: func() int { return 0 }}
	for at := time.Second; at <= 12*time.Second; at += time.Second {
		d.show(shownTable(at, at == 12*time.Second))
	}
	if got := strings.Count(out.String(), "after "); got != 3 || !strings.HasPrefix(out.String(), "after 5 s") {
		t.Errorf("%d tables, want those of 5, 10 and 12 s:\n%s", got, out.String())
	}
}

// Whatever a demo shows, also after a day, fits 100 columns.
func TestTableFits(t *testing.T) {
	for _, elapsed := range []time.Duration{time.Second, 999 * time.Second, 24 * time.Hour} {
		table := comparisonTable{elapsed: elapsed, last: true, watts: 69}
		for _, p := range simnode.DemoScript() {
			pod := simnode.NewPod(simnode.PodTemplate{Namespace: p.Namespace, Name: p.Name, Static: p.Static, Node: simnode.NodeName})
			cpu := elapsed * 7 / 10
			energy := simnode.CoreWatts * uint64(cpu.Microseconds())
			table.rows = append(table.rows, comparisonRow{
				namespace: pod.Namespace, name: pod.Name, alive: p.Ends == 0, seen: true, percent: 100, measured: cpu, actual: cpu,
				memory: 70 << 20, memoryKnown: true, watts: 15, joules: energy, cost: energy, metered: true, truth: simnode.Truth{Held: 64 << 20},
			})
			table.energy.pods += energy
		}
		table.energy.idle = simnode.IdleWatts * uint64(elapsed.Microseconds())
		table.energy.measured = table.energy.pods + table.energy.idle
		var out strings.Builder
		(&display{out: &out, columns: func() int { return 0 }}).show(table)
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(line) - 1; n > 100 {
				t.Errorf("after %v: %d columns: %s", elapsed, n, line)
			}
		}
	}
}

func TestFigure(t *testing.T) {
	for _, tt := range []struct {
		x        float64
		decimals int
		want     string
	}{
		{0, 3, "0.000"}, {9.9994, 3, "9.999"}, {10, 3, "10.00"}, {99.99, 3, "99.99"}, {123.45, 3, "123.5"}, {1000, 3, "1000"}, {86400.4, 3, "86400"},
		{0.126, 2, "0.13"}, {99.99, 2, "99.99"}, {100, 2, "100.0"}, {12345, 2, "12345"},
	} {
		if got := figure(tt.x, tt.decimals); got != tt.want {
			t.Errorf("%v with %d decimals is %s, want %s", tt.x, tt.decimals, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("x", 120)
	for _, tt := range []struct{ text, want string }{
		{"", "> \n"},
		{"one two", "> one two\n"},
		{strings.Repeat("word ", 25), fmt.Sprintf("> %s\n  %s\n", strings.TrimSpace(strings.Repeat("word ", 19)), strings.TrimSpace(strings.Repeat("word ", 6)))},
		{"a " + long + " b", "> a\n  " + long + "\n  b\n"},
		{"one\ntwo  three", "> one two three\n"},
	} {
		if got := wrap(tt.text, "> ", "  "); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}
