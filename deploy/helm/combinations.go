package helm

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// property is what is used here of a schema.
type property struct {
	Title      string               `json:"title"`
	Type       any                  `json:"type"`
	Enum       []any                `json:"enum"`
	Examples   []any                `json:"examples"`
	Properties map[string]*property `json:"properties"`
}

// Choice is a value of the chart and what the schema names as its examples.
type Choice struct {
	Key      string // as in energy.access
	Examples []any
}

// Choices returns the values that have examples in the schema, by their keys.
func (c *Chart) Choices() ([]Choice, error) {
	var schema property
	if err := json.Unmarshal(c.chart.Schema, &schema); err != nil {
		return nil, fmt.Errorf("read values.schema.json: %w", err)
	}
	return schema.choices(""), nil
}

func (p *property) choices(prefix string) []Choice {
	var all []Choice
	for _, name := range slices.Sorted(maps.Keys(p.Properties)) {
		child := p.Properties[name]
		if len(child.Examples) > 0 {
			all = append(all, Choice{prefix + name, child.Examples})
		}
		all = append(all, child.choices(prefix+name+".")...)
	}
	return all
}

// Combinations returns every combination of choices, each as the keys and their values.
func Combinations(choices []Choice) []map[string]any {
	all := []map[string]any{{}}
	for _, choice := range choices {
		var more []map[string]any
		for _, one := range all {
			for _, example := range choice.Examples {
				next := maps.Clone(one)
				next[choice.Key] = example
				more = append(more, next)
			}
		}
		all = more
	}
	return all
}

// Values makes values as a file has them of keys as in energy.access.
func Values(keys map[string]any) map[string]any {
	all := make(map[string]any)
	for key, value := range keys {
		at, names := all, strings.Split(key, ".")
		for _, name := range names[:len(names)-1] {
			next, there := at[name].(map[string]any)
			if !there {
				next = make(map[string]any)
				at[name] = next
			}
			at = next
		}
		at[names[len(names)-1]] = value
	}
	return all
}

// Every returns each object once that some combination of the schema's examples makes of
// values. Combinations that the chart refuses make none.
func (c *Chart) Every(release Release, values map[string]any) ([]Object, error) {
	choices, err := c.Choices()
	if err != nil {
		return nil, err
	}
	var all []Object
	seen := make(map[string]bool)
	for _, keys := range Combinations(choices) {
		rendered, err := c.Render(release, loader.MergeMaps(values, Values(keys)))
		if err != nil {
			continue
		}
		for _, object := range rendered.Objects {
			text, err := json.Marshal(object)
			if err != nil {
				return nil, fmt.Errorf("write %s %s: %w", object.Kind(), object.Name(), err)
			}
			if !seen[string(text)] {
				seen[string(text)] = true
				all = append(all, object)
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the chart refuses every combination of the schema's examples")
	}
	return all, nil
}
