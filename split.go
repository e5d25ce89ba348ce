package main

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// The names of the metrics of which the demo shows the sum.
const (
	meterEnergy = "rapl_consumed_energy"
	podEnergy   = "pod_energy"
)

// split is what the meter counted, and who used it, in µJ.
type split struct {
	measured                         uint64
	pods, system, idle, unattributed uint64
}

// add takes a sample, if it is one of energy.
func (s *split) add(m *measure.Metric, n uint64) {
	switch m.Name {
	case meterEnergy:
		s.measured += n
	case podEnergy:
		s.pods += n
	case "energy_system":
		s.system += n
	case "energy_idle":
		s.idle += n
	case "energy_unattributed":
		s.unattributed += n
	}
}

// check reports that the parts are not what was measured.
func (s *split) check() error {
	if parts := s.pods + s.system + s.idle + s.unattributed; parts != s.measured {
		return fmt.Errorf("energy is lost or counted twice: the simulated meter counted %d µJ, and the parts are %d µJ together; "+
			"this is a defect of podjoule: please report it with what the demo printed", s.measured, parts)
	}
	return nil
}

// barWidth is how many characters the bar has.
const barWidth = 30

// bar shows the parts as a line of characters, and as percents.
func (s *split) bar() string {
	names := []string{"pods", "system", "idle", "unattributed"}
	signs := []string{"█", "▓", "░", "·"}
	amounts := []uint64{s.pods, s.system, s.idle, s.unattributed}
	var b strings.Builder
	for i, n := range portions(barWidth, amounts) {
		b.WriteString(strings.Repeat(signs[i], n))
	}
	for i, n := range portions(100, amounts) {
		fmt.Fprintf(&b, "  %s %s %d %%", signs[i], names[i], n)
	}
	return b.String()
}

// portions divides a number in proportion to amounts, into numbers that add up to it:
// all are rounded down, and those that lost most get what is left. Without any amount all
// are 0.
func portions(whole int, amounts []uint64) []int {
	parts, rests := make([]int, len(amounts)), make([]uint64, len(amounts))
	var sum uint64
	for _, n := range amounts {
		sum += n
	}
	if sum == 0 {
		return parts
	}
	left := whole
	for i, n := range amounts {
		high, low := bits.Mul64(n, uint64(whole))
		part, rest := bits.Div64(high, low, sum)
		parts[i], rests[i] = int(part), rest
		left -= parts[i]
	}
	for ; left > 0; left-- {
		most := 0
		for i, rest := range rests {
			if rest > rests[most] {
				most = i
			}
		}
		parts[most]++
		rests[most] = 0
	}
	return parts
}

// sentence is the split as an equation.
func (s *split) sentence() string {
	if s.measured == 0 {
		return "The simulated meter counted no energy in that time."
	}
	how := "equal to the microjoule"
	if s.check() != nil {
		how = "NOT EQUAL"
	}
	return fmt.Sprintf("The simulated meter counted %.6f J = pods %.6f + system %.6f + idle %.6f + unattributed %.6f: %s.",
		joules(s.measured), joules(s.pods), joules(s.system), joules(s.idle), joules(s.unattributed), how)
}

// energyVerdict sums up how near the pods' energy came to the truth.
func energyVerdict(rows []comparisonRow) string {
	var measured, actual uint64
	for _, r := range rows {
		measured += r.joules
		actual += r.cost
	}
	if actual == 0 {
		return "The pods used no energy."
	}
	return fmt.Sprintf("The pods' part of the energy is %.3f J; the truth is %.3f J: %.2f %% apart.",
		joules(measured), joules(actual), 100*math.Abs(joules(measured)-joules(actual))/joules(actual))
}

func joules(microjoules uint64) float64 { return float64(microjoules) / 1e6 }

// wattsOf is the power at which an energy in µJ was drawn.
func wattsOf(energy uint64, passed time.Duration) float64 {
	return joules(energy) / max(passed, 1).Seconds()
}
