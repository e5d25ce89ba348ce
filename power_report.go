package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// States of rows besides those of plugin.MeterState.
const (
	stateEstimated   = "estimated"   // used, but a model tells it
	stateOff         = "off"         // it could be used, and is not in the configuration
	stateFailed      = "failed"      // the source could not be opened
	stateSilent      = "silent"      // it tells nothing
	stateUnsupported = "unsupported" // there is no source for it
)

// powerReport is what is known of a machine's energy meters.
type powerReport struct {
	config string // the file; empty for none
	passed time.Duration
	rows   []powerRow
}

// powerRow is one meter.
type powerRow struct {
	source, meter, domain, resource, state string

	energy uint64 // µJ
	known  bool   // whether there is an energy

	why, remedy string
}

// add adds what a source knows and tells.
func (r *powerReport) add(s *energySource) {
	var rows []powerRow
	told := make(map[*measure.Series]bool)
	if m, ok := s.opened.(plugin.Metered); ok && s.source != nil {
		for _, meter := range m.Meters() {
			rows = append(rows, r.rowOf(s, &meter))
			for _, series := range meter.Energy {
				told[series] = true
			}
		}
	}
	for _, series := range s.series {
		if !told[series] { // of a source that cannot list its meters, or of a meter that is gone
			domain, _ := series.Attribute("domain")
			rows = append(rows, r.rowOf(s, &plugin.Meter{
				Name: "-", Domain: domain, Resource: series.Resource, State: plugin.MeterUsed, Energy: []*measure.Series{series},
			}))
		}
	}
	if r.config != "" && !s.listed && slices.ContainsFunc(rows, func(row powerRow) bool { return row.state == stateOff }) {
		rows = append(rows, powerRow{source: s.name, meter: "-", why: fmt.Sprintf("[plugins.%s] is not in %s", s.name, r.config), remedy: "add that table to have it in every output"})
	}
	rows = append(rows, remarksOf(s, rows)...)
	if len(rows) == 0 {
		rows = append(rows, powerRow{source: s.name, meter: "-", state: stateSilent, why: "it told of no meter"})
	}
	r.rows = append(r.rows, rows...)
}

// remarksOf are rows for what a source says of itself and what its last reading failed
// with, beside what its meters say. Without any meter they stand for one.
func remarksOf(s *energySource, rows []powerRow) []powerRow {
	var remarks []powerRow
	say := func(err error, why, remedy string) {
		for _, row := range slices.Concat(rows, remarks) {
			if row.why != "" && strings.Contains(err.Error(), row.why) {
				return
			}
		}
		row := powerRow{source: s.name, meter: "-", why: why, remedy: remedy}
		switch {
		case s.source == nil:
			row.state = stateFailed
		case len(rows)+len(remarks) == 0:
			row.state = stateSilent
		}
		remarks = append(remarks, row)
	}
	if err := s.ready(); err != nil {
		why, remedy := plugin.Apart(err)
		say(err, why, remedy)
	}
	if s.err != nil {
		say(s.err, s.err.Error(), "")
	}
	return remarks
}

// rowOf makes a row of a meter.
func (r *powerReport) rowOf(s *energySource, m *plugin.Meter) powerRow {
	row := powerRow{
		source: s.name, meter: m.Name, domain: m.Domain, resource: strings.TrimSpace(m.Resource.Kind + " " + m.Resource.ID),
		state: string(m.State), why: m.Why, remedy: m.Remedy,
	}
	estimated := false
	for _, series := range m.Energy {
		if n, ok := s.energy[series]; ok {
			row.energy, row.known = row.energy+n, true
		}
		quality, _ := series.Attribute("quality")
		estimated = estimated || quality == stateEstimated
	}
	switch {
	case m.State != plugin.MeterUsed:
	case !row.known:
		row.state = stateSilent
	case r.config != "" && !s.listed:
		row.state = stateOff
	case estimated:
		row.state = stateEstimated
	}
	return row
}

// unsupportedMeters are those that can be seen at once and that nothing here reads.
func unsupportedMeters(s agent.Settings) []powerRow {
	var rows []powerRow
	for _, x := range []struct{ path, meter string }{
		{filepath.Join(s.ProcfsRoot, "driver/nvidia/version"), "NVIDIA GPU"},
		{filepath.Join(s.SysfsRoot, "class/ipmi/ipmi0"), "IPMI, the board's own"},
	} {
		if _, err := os.Stat(x.path); err == nil {
			rows = append(rows, powerRow{source: "-", meter: x.meter, state: stateUnsupported, why: x.path + " is there; podjoule cannot read such a meter yet"})
		}
	}
	return rows
}

// String shows it to people: what there is, and what would help.
func (r *powerReport) String() string {
	var b strings.Builder
	b.WriteString(wrap(r.summary(), "", ""))
	b.WriteString("\n")
	lines := [][]string{{"source", "meter", "domain", "resource", "state", "joules", "watts"}}
	for _, row := range r.rows {
		if row.state == "" {
			continue
		}
		energy, watts := "-", "-"
		if row.known {
			energy, watts = fmt.Sprintf("%.3f", joules(row.energy)), fmt.Sprintf("%.2f", wattsOf(row.energy, r.passed))
		}
		lines = append(lines, []string{row.source, row.meter, orDash(row.domain), orDash(row.resource), row.state, energy, watts})
	}
	b.WriteString(alignColumns(lines, 5))
	b.WriteString(r.remarks())
	b.WriteString(r.advice())
	return b.String()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// with counts the rows in a state.
func (r *powerReport) with(state string) (n int) {
	for _, row := range r.rows {
		if row.state == state {
			n++
		}
	}
	return n
}

// summary is the first sentence.
func (r *powerReport) summary() string {
	seconds := fmt.Sprintf("%.1f s", r.passed.Seconds())
	switch used := r.with(string(plugin.MeterUsed)); {
	case used == 1:
		return "One energy meter of this machine is read; joules are those of " + seconds + "."
	case used > 1:
		return fmt.Sprintf("%d energy meters of this machine are read; joules are those of %s. Domains may overlap, "+
			"as a platform holds its packages and a package its cores: do not add them up.", used, seconds)
	case r.with(stateEstimated) > 0:
		return "No energy meter of this machine can be read. What it takes is estimated; joules are those of " + seconds + "."
	case r.with(stateOff) > 0:
		return "No energy meter is read with this configuration; joules are those of " + seconds + " all the same."
	}
	return "No energy meter of this machine can be read."
}

// remarks tell the reasons, those with one remedy together.
func (r *powerReport) remarks() string {
	type remark struct{ source, remedy string }
	var order []remark
	whys := make(map[remark][]string)
	for _, row := range r.rows {
		if row.why == "" {
			continue
		}
		key := remark{row.source, row.remedy}
		if whys[key] == nil {
			order = append(order, key)
		}
		why := row.why
		if row.meter != "-" {
			why = row.meter + ": " + why
		}
		whys[key] = append(whys[key], why)
	}
	var b strings.Builder
	for _, key := range order {
		b.WriteString("\n")
		for _, why := range whys[key] {
			if key.source != "-" {
				why = key.source + ", " + why
			}
			b.WriteString(wrap(why+".", "", "    "))
		}
		if key.remedy != "" {
			b.WriteString(wrap("→ "+key.remedy+".", "    ", "      "))
		}
	}
	return b.String()
}

// advice says how to have it in the agent.
func (r *powerReport) advice() string {
	var tables strings.Builder
	for _, row := range r.rows {
		table := "    [plugins." + row.source + "]\n"
		if (row.state == string(plugin.MeterUsed) || row.state == stateEstimated) && !strings.Contains(tables.String(), table) {
			tables.WriteString(table)
		}
	}
	if r.config != "" || tables.Len() == 0 {
		return ""
	}
	return "\nFor all outputs, and each pod's part of it, put into the configuration beside [plugins.k8s]:\n\n" +
		tables.String() + "    [plugins.attribution]\n"
}
