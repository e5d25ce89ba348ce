package accuracy_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// table writes a table of the document.
func table(b *strings.Builder, head ...string) func(cells ...string) {
	line := func(cells ...string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head...)
	line(slices.Repeat([]string{"---"}, len(head))...)
	return line
}

func joules(µJ float64) string { return number(µJ / 1e6) }

// number has one digit after the point, and none where that tells nothing.
func number(x float64) string {
	digits := 1
	if math.Abs(x) >= 1000 {
		digits = 0
	}
	text := strconv.FormatFloat(x, 'f', digits, 64)
	if text == "-0.0" {
		return "0.0"
	}
	return text
}

func signed(x float64) string {
	text := number(x)
	if x > 0 && text != "0.0" {
		return "+" + text
	}
	return text
}

func watts(mW uint64) string { return strconv.FormatFloat(float64(mW)/1000, 'f', -1, 64) + " W" }

// summary has the mean fault of the pods in every scenario.
func summary(outcomes []*outcome, domain int) string {
	var b strings.Builder
	head := []string{""}
	for _, o := range outcomes {
		head = append(head, o.name)
	}
	b.WriteString("\n")
	line := table(&b, head...)
	for _, title := range titles(outcomes) {
		cells := []string{title}
		for _, o := range outcomes {
			cells = append(cells, o.meanOf(title, domain))
		}
		if slices.ContainsFunc(cells[1:], func(cell string) bool { return cell != "-" }) {
			line(cells...)
		}
	}
	b.WriteString("\n")
	return b.String()
}

// titles are those of all rows, in the order of the scenario that has most.
func titles(outcomes []*outcome) (all []string) {
	for _, o := range outcomes {
		at := 0
		for _, r := range o.rows {
			if i := slices.Index(all, r.title); i >= 0 {
				at = i + 1
				continue
			}
			all = slices.Insert(all, at, r.title)
			at++
		}
	}
	return all
}

// row returns a row by its title, or nil.
func (o *outcome) row(title string) *row {
	i := slices.IndexFunc(o.rows, func(r row) bool { return r.title == title })
	if i < 0 {
		return nil
	}
	return &o.rows[i]
}

func (o *outcome) meanOf(title string, domain int) string {
	r := o.row(title)
	if r == nil || domain == inMemory && r.silentOnMemory || domain == inPackage && r.memory {
		return "-"
	}
	return number(o.faultsOf(r.account, o.all, domain).mean)
}

// section is the whole of a scenario.
func (o *outcome) section() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", o.name, o.about)
	fmt.Fprintf(&b, "%s.", o.machine.String())
	for _, text := range o.cast() {
		fmt.Fprintf(&b, " %s.", text)
	}
	b.WriteString("\n\n")
	line := table(&b, "", "packages: mean", "worst", "memory: mean", "worst", "pods, J", "system, J", "idle, J", "not placed, J", "windows in which pods have more than was measured")
	pods, system, idle := o.both(o.podsTotals(&o.account)), o.both(o.system), o.both(o.idle)
	line("truth", "", "", "", "", joules(pods), joules(system), joules(idle), "", "")
	for i := range o.rows {
		r := &o.rows[i]
		cells := append([]string{r.title}, o.faultCells(r.account, o.all)...)
		pods, system, idle := o.both(o.podsTotals(r.account)), "-", "-"
		rest := o.both(o.measured) - pods
		if r.tellsSystem {
			system = joules(o.both(r.system))
			rest -= o.both(r.system)
		}
		if r.tellsIdle {
			idle = joules(o.both(r.idle))
			rest -= o.both(r.idle)
		}
		if r.ours {
			rest = math.Round(rest) // what is below a µJ is the counter's, not ours
		}
		line(append(cells, joules(pods), system, idle, joules(rest), fmt.Sprintf("%d of %d", r.exceeded, r.windows))...)
	}
	if len(o.lasting(true)) > 0 {
		o.lives(&b)
	}
	return b.String()
}

func (o *outcome) both(x [domains]float64) float64 { return x[inPackage] + x[inMemory] }

func (o *outcome) podsTotals(a *account) [domains]float64 {
	return [domains]float64{a.podsTotal(o.all, inPackage), a.podsTotal(o.all, inMemory)}
}

// faultCells are mean and worst fault of some pods, of packages and of memory.
func (o *outcome) faultCells(a *account, pods []*pod) (cells []string) {
	for d := range domains {
		if f := o.faultsOf(a, pods, d); d == inMemory && a.silentOnMemory {
			cells = append(cells, "-", "-")
		} else {
			cells = append(cells, number(f.mean), signed(f.worst)+" "+f.whose)
		}
	}
	return cells
}

// lives tells pods that stay from those that live for a moment.
func (o *outcome) lives(b *strings.Builder) {
	b.WriteString("\nThe same, for the pods that stay and for the others:\n\n")
	line := table(b, "", "stay, packages: mean", "worst", "short, packages: mean", "worst", "ended pods without a name, J")
	for i := range o.rows {
		a := o.rows[i].account
		cells := []string{o.rows[i].title}
		for _, short := range []bool{false, true} {
			cells = append(cells, o.faultCells(a, o.lasting(short))[:2]...)
		}
		line(append(cells, joules(o.both(a.ended)))...)
	}
}

// lasting are the pods that are short, or those that are not.
func (o *outcome) lasting(short bool) (pods []*pod) {
	for _, p := range o.all {
		if p.short == short {
			pods = append(pods, p)
		}
	}
	return pods
}

// cast tells who works how.
func (o *outcome) cast() (all []string) {
	others := o.lasting(true)
	for _, p := range o.lasting(false) {
		all = append(all, p.String())
	}
	if n := len(others); n > 0 {
		first := others[0]
		all = append(all, fmt.Sprintf("%d pods live for %s each, one every %s: %s", n, span(first.ends-first.born), span(others[1].born-first.born), first.does()))
	}
	return append(all, o.actor.String())
}

func (a *actor) String() string { return "`" + a.name + "`: " + a.does() }

// does tells what an actor's threads do; they all do the same.
func (a *actor) does() string {
	var cpus []string
	for _, t := range a.threads {
		cpus = append(cpus, strconv.Itoa(t.cpu))
	}
	word := "CPU"
	if len(cpus) > 1 {
		word = "CPUs"
	}
	return fmt.Sprintf("%s %s on %s %s", a.threads[0].work.name, a.threads[0].text, word, strings.Join(cpus, ", "))
}

// String tells what there is.
func (m machine) String() string {
	text := fmt.Sprintf("%d CPUs: %d cores of %d thread", m.cpus(), len(m.sockets)*m.cores, m.threads)
	if m.threads > 1 {
		text += "s"
	}
	for i, s := range m.sockets {
		text += fmt.Sprintf("; socket %d draws %s idle, its memory %s", i, watts(s.idle), watts(s.memoryIdle))
		if s.draws != 100 {
			text += fmt.Sprintf(", and work %d %% of what it does elsewhere", s.draws)
		}
	}
	return text
}

// kindsOfWork tells what work draws.
func kindsOfWork() string {
	var b strings.Builder
	b.WriteString("\n")
	line := table(&b, "work", "a busy CPU with a core of its own", "memory, for its traffic")
	for _, w := range []work{computing(), serving(), streaming()} {
		line(w.name, watts(w.core), watts(w.memory))
	}
	fmt.Fprintf(&b, "\nOf two busy threads of one core, each draws %d %% of that in the core. The machine moves in steps of %s; the agent measures every\n", sharing, span(step))
	fmt.Fprintf(&b, "%s. A scenario rests for %s, works until %s have passed and rests until %s, unless it says otherwise; what counts begins when\n",
		span(window), span(restEnds), span(workEnds), span(timeline))
	b.WriteString("work does.\n\n")
	return b.String()
}

// span writes a time as "300 ms" or "1.1 s".
func span(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%v s", d.Seconds())
}
