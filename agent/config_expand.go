package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// expandTable replaces ${NAME} in every string value of a table, in place. A
// replaced value is data: it is not looked into again.
func expandTable(table map[string]any, at toml.Key, lookup func(string) (string, bool)) []problem {
	var found []problem
	for _, name := range slices.Sorted(maps.Keys(table)) {
		key := join(at, name)
		value, problems := expandValue(table[name], key, lookup)
		table[name] = value
		found = append(found, problems...)
	}
	return found
}

func expandValue(value any, at toml.Key, lookup func(string) (string, bool)) (any, []problem) {
	switch v := value.(type) {
	case string:
		text, err := expand(v, lookup)
		if err != nil {
			return v, []problem{{at, err}}
		}
		return text, nil
	case map[string]any:
		return v, expandTable(v, at, lookup)
	case []map[string]any:
		var found []problem
		for _, table := range v {
			found = append(found, expandTable(table, at, lookup)...)
		}
		return v, found
	case []any:
		var found []problem
		for i := range v {
			expanded, problems := expandValue(v[i], at, lookup)
			v[i] = expanded
			found = append(found, problems...)
		}
		return v, found
	}
	return value, nil
}

// expand replaces ${NAME} in a text. $${ stands for ${ itself.
func expand(text string, lookup func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		if !found {
			b.WriteString(text)
			return b.String(), nil
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			b.WriteString(escaped + "${")
			text = after
			continue
		}
		b.WriteString(before)
		name, rest, closed := strings.Cut(after, "}")
		switch {
		case !closed:
			return "", errors.New(`"${" without "}": write "$${" where "${" itself is meant`)
		case !isVariable(name):
			return "", errors.New(`want the name of an environment variable between "${" and "}": write "$${" where "${" itself is meant`)
		}
		value, set := lookup(name)
		if !set {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		b.WriteString(value)
		text = rest
	}
}

func isVariable(name string) bool {
	for i, c := range name {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
