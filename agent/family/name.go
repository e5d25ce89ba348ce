package family

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Name returns the name under which Prometheus sees a metric:
// podjoule_<name>_<base unit>, with _total at the end of a counter. The word
// "delta" goes, because the page shows the running total of the deltas.
func Name(m *measure.Metric) string {
	name := m.Name
	if m.Kind == measure.Delta {
		name = strings.TrimSuffix(strings.TrimSuffix(name, "_delta"), "_total")
	}
	if unit := baseUnit(m.Unit).name; unit != "" {
		name = strings.TrimSuffix(name, "_"+unit) + "_" + unit
	}
	if m.Kind == measure.Delta {
		name += "_total"
	}
	return "podjoule_" + name
}

// unit is what Prometheus counts in: so many of our own units make one.
type unit struct {
	name string
	size float64
}

// baseUnit returns the unit that Prometheus shows instead of ours.
func baseUnit(u measure.Unit) unit {
	switch u {
	case measure.Nanosecond:
		return unit{"seconds", 1e9}
	case measure.Microjoule:
		return unit{"joules", 1e6}
	case measure.Byte:
		return unit{"bytes", 1}
	case measure.Percent:
		return unit{"percent", 1}
	case measure.Millicore:
		return unit{"cores", 1e3}
	default:
		return unit{"", 1}
	}
}

// Labels of series that are about a part of the machine.
const (
	resourceKind = "resource_kind"
	resourceID   = "resource_id"
)

// asLabels returns the labels that attributes become: the names that they are given,
// else their keys, with underscores for what Prometheus does not allow.
func asLabels(keys []string, renames plugin.Renames) plugin.Renames {
	labels := make(plugin.Renames, len(keys))
	for _, key := range keys {
		name, given := renames[key]
		if !given {
			name = key
			if !IsLabel(key) {
				name = toLabel(key)
			}
		}
		labels[key] = name
	}
	return labels
}

// IsLabel tells whether a name can be that of a label.
func IsLabel(name string) bool {
	return model.LegacyValidation.IsValidLabelName(name) && !strings.HasPrefix(name, model.ReservedLabelPrefix)
}

// CheckLabels reports attributes that cannot be labels under their names, as a
// *plugin.KeyError about rename_attributes.
func CheckLabels(keys []string, renames plugin.Renames) error {
	for _, key := range keys {
		switch label := renames.Name(key); {
		case !IsLabel(label):
			return plugin.Keyf("rename_attributes",
				"the attribute %q would be the label %q, which Prometheus does not allow: set %q = %q",
				key, label, key, toLabel(label))
		case slices.Contains([]string{resourceKind, resourceID}, label):
			return plugin.Keyf("rename_attributes",
				"the attribute %q would be the label %q, which tells the resource: give it another name", key, label)
		}
	}
	return nil
}

// toLabel returns a label name that is near to the given one.
func toLabel(name string) string {
	name = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name), "_")
	if name == "" || name[0] <= '9' {
		return "attribute_" + name
	}
	return name
}
