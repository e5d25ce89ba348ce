package k8s

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// What the key attributes may choose, besides what every series has. The last two
// are followed by the key of the label or of the annotation.
const (
	chooseWorkload   = "workload"
	chooseQoS        = "qos"
	choosePhase      = "phase"
	chooseLabel      = "label:"
	chooseAnnotation = "annotation:"
)

// Keys of the attributes that come of the choice. A label's and an annotation's is
// the entry itself, as in "label:app.kubernetes.io/name".
const (
	keyWorkload     = "workload"
	keyWorkloadKind = "workload_kind"
	keyQoS          = "qos"
	keyPhase        = "phase"
)

// choice is what of pods is read besides their names: which optional attributes series
// have, and whether requests are told. The zero value is none.
type choice struct {
	workload, qos, phase bool
	labels, annotations  []chosenText
	requests             bool
}

// chosenText is a label or an annotation that is an attribute.
type chosenText struct{ key, attribute string }

// choose reads the key attributes of the configuration.
func choose(entries []string) (choice, error) {
	var c choice
	for i, entry := range entries {
		if slices.Contains(entries[:i], entry) {
			return choice{}, plugin.Keyf("attributes", "%q is there twice", entry)
		}
		label, ofLabel := strings.CutPrefix(entry, chooseLabel)
		annotation, ofAnnotation := strings.CutPrefix(entry, chooseAnnotation)
		var wrong []string
		switch {
		case entry == chooseWorkload:
			c.workload = true
		case entry == chooseQoS:
			c.qos = true
		case entry == choosePhase:
			c.phase = true
		case ofLabel:
			wrong = validation.IsQualifiedName(label)
			c.labels = append(c.labels, chosenText{label, entry})
		case ofAnnotation:
			wrong = validation.IsQualifiedName(strings.ToLower(annotation)) // as the API server checks them
			c.annotations = append(c.annotations, chosenText{annotation, entry})
		default:
			return choice{}, plugin.Keyf("attributes", "unknown attribute %q; known are %s, %s, %s, %sKEY, %sKEY",
				entry, chooseWorkload, chooseQoS, choosePhase, chooseLabel, chooseAnnotation)
		}
		if len(wrong) > 0 {
			return choice{}, plugin.Keyf("attributes", "the key in %q is not valid: %s", entry, strings.Join(wrong, "; "))
		}
	}
	return c, nil
}

// choice returns what of pods is to be read.
func (c *Config) choice() (choice, error) {
	chosen, err := choose(c.Attributes)
	chosen.requests = groupsOf(c.MetricGroups).Requests
	return chosen, err
}

// keys returns the keys of all attributes that a series may have by the choice.
func (c *choice) keys() []string {
	var keys []string
	if c.workload {
		keys = append(keys, keyWorkload, keyWorkloadKind)
	}
	if c.qos {
		keys = append(keys, keyQoS)
	}
	if c.phase {
		keys = append(keys, keyPhase)
	}
	for _, texts := range [][]chosenText{c.labels, c.annotations} {
		for _, t := range texts {
			keys = append(keys, t.attribute)
		}
	}
	return keys
}

// What of a pod has to be read. A choice that is nil wants nothing.
func (c *choice) wantsOwner() bool { return c != nil && c.workload }
func (c *choice) wantsPhase() bool { return c != nil && c.phase }

func (c *choice) wantsRequests() bool { return c != nil && c.requests }

func (c *choice) wantsLabels() bool { return c != nil && (c.workload || len(c.labels) > 0) }

func (c *choice) wantsLabel(key []byte) bool {
	return c != nil && (c.workload && string(key) == labelTemplateHash || has(c.labels, key))
}

// wantsAnnotation tells besides what every pod is read for.
func (c *choice) wantsAnnotation(key []byte) bool {
	return string(key) == annotationHash || string(key) == annotationEnd || c != nil && has(c.annotations, key)
}

func has(chosen []chosenText, key []byte) bool {
	return slices.ContainsFunc(chosen, func(t chosenText) bool { return t.key == string(key) })
}

// changes tells whether something that is chosen may change while a pod lives.
func (c *choice) changes() bool { return c.phase || c.requests || len(c.labels)+len(c.annotations) > 0 }

// longestAge is when what may have changed is asked for again, where nobody tells.
const longestAge = time.Minute

// renewal returns how old a list of pods may get, or 0 for any age.
func renewal(c *choice, refresh time.Duration) time.Duration {
	if !c.changes() {
		return 0
	}
	return max(longestAge, refresh)
}

// of returns the chosen attributes of a pod, but for those that its cgroup tells,
// sorted by key. What the pod does not have is left out.
func (c *choice) of(p *traits) []measure.Attribute {
	if c == nil {
		return nil
	}
	var all []measure.Attribute
	add := func(key, value string) { all = append(all, measure.Attribute{Key: key, Value: bounded(value)}) }
	if c.workload {
		if w := p.workload(); w.name != "" {
			add(keyWorkload, w.name)
			add(keyWorkloadKind, w.kind)
		}
	}
	if c.phase && p.phase != "" {
		add(keyPhase, p.phase)
	}
	for _, from := range []struct {
		chosen []chosenText
		texts  map[string]string
	}{{c.labels, p.labels}, {c.annotations, p.annotations}} {
		for _, t := range from.chosen {
			if value, ok := from.texts[t.key]; ok {
				add(t.attribute, value)
			}
		}
	}
	sortAttributes(all)
	return all
}

// longestValue is how much of a value is kept, in bytes. An annotation may have
// 256 KiB, and would stand in each of the pod's series.
const longestValue = 1024

// bounded returns a value that every output can show: text, and not too long.
func bounded(value string) string {
	if len(value) > longestValue {
		// A copy, since the rest would be kept otherwise; without half a character.
		value = strings.Clone(strings.ToValidUTF8(value[:longestValue], ""))
	}
	return strings.ToValidUTF8(value, "\uFFFD")
}

// extend adds a target's chosen attributes to those that every series has, and
// sorts them all.
func (c *choice) extend(attributes []measure.Attribute, t *target) []measure.Attribute {
	if t.pod != nil {
		attributes = append(attributes, t.pod.attributes...)
	}
	if c.qos {
		attributes = append(attributes, measure.Attribute{Key: keyQoS, Value: t.found.QoS.String()})
	}
	sortAttributes(attributes)
	return attributes
}

func sortAttributes(attributes []measure.Attribute) {
	slices.SortFunc(attributes, func(a, b measure.Attribute) int { return cmp.Compare(a.Key, b.Key) })
}

// identify takes what is known of a target's pod. Where the series that it has say
// something else, they end, and others go on from where they were.
func (s *source) identify(t *target, known *pod, b *measure.Batch) {
	same := t.pod != nil && t.pod.uid == known.uid && slices.Equal(t.pod.attributes, known.attributes)
	t.pod = known
	if !same && t.series != nil {
		s.hide(t, b)
		s.show(t)
	}
}
