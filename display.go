package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// plainEvery is how often the table is printed where it cannot be written anew.
const plainEvery = 5 * time.Second

// display shows the table of a demo: always in the same place on a terminal,
// else one below the other, less often.
type display struct {
	out      io.Writer
	terminal bool
	lines    int           // that the last table takes on the terminal
	printed  time.Duration // when the last plain table was printed
}

// show shows the rows.
func (d *display) show(rows []comparisonRow, elapsed time.Duration, last bool) {
	if !d.terminal && !last && elapsed-d.printed < plainEvery {
		return
	}
	d.printed = elapsed
	var b strings.Builder
	if d.terminal && d.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", d.lines) // up, and clear from there
	}
	table := renderTable(rows, elapsed)
	b.WriteString(table)
	d.lines = strings.Count(table, "\n")
	if last {
		b.WriteString(verdict(rows) + "\n")
	}
	_, _ = io.WriteString(d.out, b.String()) // nobody is left to be told
}

// renderTable makes the table: a line for each pod, its numbers and the truth.
func renderTable(rows []comparisonRow, elapsed time.Duration) string {
	lines := [][]string{{fmt.Sprintf("after %.0f s", elapsed.Seconds()), "", "CPU", "CPU time", "truth", "memory", "truth"}}
	for _, r := range rows {
		cpu, measured, memory := "-", "-", "-"
		if r.seen {
			measured = seconds(r.measured)
		}
		if r.seen && r.alive {
			cpu = fmt.Sprintf("%.1f %%", r.percent)
		}
		if r.memoryKnown && r.alive {
			memory = mebibytes(r.memory)
		}
		name := r.name
		if !r.alive {
			name += " (ended)"
		}
		lines = append(lines, []string{r.namespace, name, cpu, measured, seconds(r.actual), memory, trueMemory(r)})
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < 2 { // names to the left, numbers to the right
				b.WriteString(cell + pad + "  ")
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// trueMemory is what is known of a pod's memory without looking at its cgroup.
// Of a real process it is what the script made it touch; to run, it needs some
// more.
func trueMemory(r comparisonRow) string {
	switch {
	case !r.alive:
		return "-"
	case r.truth.MemoryKnown:
		return mebibytes(r.truth.Memory)
	case r.truth.Held > 0:
		return "≥ " + mebibytes(r.truth.Held)
	}
	return "-"
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
