package hwmon

import (
	"fmt"
	"path/filepath"
	"strings"
)

// choice is a sensor that is used, and what it measures.
type choice struct {
	sensor *sensor
	place  place
}

// refusal is why a meter is not used that should be.
type refusal struct {
	status status
	err    error
}

// choose returns the sensors that are used: those that the configuration names, or those
// that are known.
func choose(wanted []Meter, found []sensor, root string) (chosen []choice, refused []refusal) {
	if len(wanted) == 0 {
		return known(found, root)
	}
	taken := make(map[string]bool)
	for i := range wanted {
		m := &wanted[i]
		var matches []*sensor
		for j := range found {
			if m.matches(&found[j]) {
				matches = append(matches, &found[j])
			}
		}
		switch {
		case len(matches) == 0:
			refused = append(refused, refusal{statusAbsent, fmt.Errorf("meter %s is not there; is its driver loaded? there %s", m, listed(found))})
		case len(matches) > 1:
			refused = append(refused, refusal{statusAmbiguous,
				fmt.Errorf("meter %s fits %d sensors, %s and %s: name its device and its label", m, len(matches), matches[0], matches[1])})
		case taken[matches[0].key()]:
			refused = append(refused, refusal{statusAmbiguous, fmt.Errorf("meter %s is sensor %s, which another one is too", m, matches[0])})
		default:
			taken[matches[0].key()] = true
			chosen = append(chosen, choice{matches[0], m.place()})
		}
	}
	return chosen, refused
}

// matches tells whether a sensor is the one that is meant.
func (m *Meter) matches(f *sensor) bool {
	if m.Chip != f.chip || m.Device != "" && (f.device == "" || m.Device != filepath.Base(f.device)) {
		return false
	}
	switch m.Label {
	case "":
		return true
	case f.label:
		return true
	}
	return f.label == "" && m.Label == f.channel
}

// String names a meter as it is configured.
func (m *Meter) String() string {
	parts := []string{m.Chip}
	for _, part := range []string{m.Device, m.Label} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

// listed says which sensors there are, for people; the first ones of many.
func listed(found []sensor) string {
	const most = 8
	if len(found) == 0 {
		return "is no sensor of energy or power"
	}
	var names []string
	for i := range found[:min(len(found), most)] {
		names = append(names, found[i].String())
	}
	text := "is " + strings.Join(names, ", ")
	if more := len(found) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
