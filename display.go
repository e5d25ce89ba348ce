package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// plainEvery is how often the table is printed where it cannot be written anew.
const plainEvery = 5 * time.Second

// display shows the table of a demo: always in the same place on a terminal,
// else one below the other, less often.
type display struct {
	out     io.Writer
	columns func() int    // of the terminal, 0 where there is none
	lines   []string      // of the last table on the terminal
	printed time.Duration // when the last plain table was printed
}

// show shows a table.
func (d *display) show(t comparisonTable) {
	columns := d.columns()
	if columns == 0 && !t.last && t.elapsed-d.printed < plainEvery {
		return
	}
	var b strings.Builder
	switch {
	case columns == 0:
		if d.printed > 0 {
			b.WriteString("\n")
		}
	case len(d.lines) > 0:
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", height(d.lines, columns)) // up, and clear from there
	}
	d.printed = t.elapsed
	table := renderTable(t.rows, t.elapsed) + renderEnergy(t.energy, t.watts)
	d.lines = strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	b.WriteString(table)
	if t.last {
		b.WriteString("\n" + wrap(verdict(t.rows), "", "") + wrap(energyVerdict(t.rows), "", "") + wrap(t.energy.sentence(), "", ""))
	}
	_, _ = io.WriteString(d.out, b.String()) // nobody is left to be told
}

// height is how many lines of a terminal some lines take, as it breaks those that are too
// long.
func height(lines []string, columns int) (sum int) {
	for _, line := range lines {
		sum += max(1, (utf8.RuneCountInString(line)+columns-1)/columns)
	}
	return sum
}

// renderTable makes the table: a line for each pod, its numbers and the truth.
func renderTable(rows []comparisonRow, elapsed time.Duration) string {
	after := fmt.Sprintf("after %.0f s", elapsed.Seconds())
	if elapsed >= 1000*time.Second {
		after = fmt.Sprintf("after %.1f h", elapsed.Hours())
	}
	lines := [][]string{{
		after, "", "CPU %", "CPU s", "truth", "MiB", "truth", "watts", "joules", "truth",
	}}
	for _, r := range rows {
		cpu, measured, memory, watts, energy := "-", "-", "-", "-", "-"
		if r.seen {
			measured = figure(r.measured.Seconds(), 3)
		}
		if r.seen && r.alive {
			cpu = fmt.Sprintf("%.1f", r.percent)
		}
		if r.memoryKnown && r.alive {
			memory = mebibytes(r.memory)
		}
		if r.metered {
			energy = figure(joules(r.joules), 2)
		}
		if r.metered && r.alive {
			watts = figure(r.watts, 2)
		}
		name := r.name
		if !r.alive {
			name += " (ended)"
		}
		lines = append(lines, []string{
			r.namespace, name, cpu, measured, figure(r.actual.Seconds(), 3), memory, trueMemory(r), watts, energy, figure(joules(r.cost), 2),
		})
	}
	return alignColumns(lines, 2)
}

// renderEnergy makes the lines below the table: all energy, and who used it.
func renderEnergy(s split, watts float64) string {
	return fmt.Sprintf("\nsimulated meter: %.1f J, now %.1f W\n%s\n", joules(s.measured), watts, s.bar())
}

// alignColumns makes lines of cells: the first columns, which are names, to the left, and
// numbers to the right.
func alignColumns(lines [][]string, names int) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		var text strings.Builder
		for i, cell := range line {
			if i > 0 {
				text.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < names {
				text.WriteString(cell + pad)
			} else {
				text.WriteString(pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
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

// figure writes a number with four digits or more, of which at most some stand behind the
// point, so that a column does not get wider while a number grows.
func figure(x float64, decimals int) string {
	for limit := math.Pow10(4 - decimals); decimals > 0 && x >= limit; limit *= 10 {
		decimals--
	}
	return fmt.Sprintf("%.*f", decimals, x)
}

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }

// lineWidth is how wide lines for people are.
const lineWidth = 100

// wrap breaks a text into lines between its words, of which the first and the others have
// margins. A word that is too long has a line of its own.
func wrap(text, first, next string) string {
	var b strings.Builder
	line, empty := first, true
	for word := range strings.FieldsSeq(text) {
		switch {
		case empty:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > lineWidth:
			b.WriteString(line + "\n")
			line = next + word
		default:
			line += " " + word
		}
		empty = false
	}
	return b.String() + line + "\n"
}
