package agent

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// decodeTable decodes a table into a configuration that holds the defaults,
// key by key, so that one wrong key does not hide the next. The table has had
// its variables replaced and no longer is the text of the file, hence the way
// through the encoder: what a variable held is data there.
//
// Fresh makes another configuration to try things on. Extra are names that are
// known besides those of the configuration.
func decodeTable(table map[string]any, at toml.Key, into any, fresh func() any, extra ...string) []problem {
	var found []problem
	var strange []toml.Key
	for _, name := range slices.Sorted(maps.Keys(table)) {
		one := map[string]any{name: table[name]}
		meta, wrong := decodeKey(name, one, into)
		found = append(found, wrong...)
		var lost []toml.Key
		for _, key := range leaves(one, nil) {
			if dropped(key, fresh) {
				lost = append(lost, key)
				found = append(found, problem{key, fmt.Errorf("want a table, have %s", typeName(lookUp(one, key)))})
			}
		}
		strange = append(strange, topmost(append(lost, meta.Undecoded()...))[len(lost):]...)
	}
	known := names(into)
	for _, key := range append(strange, misspelt(table, known, nil)...) {
		parent, name := key[:len(key)-1], last(key)
		siblings, _ := lookUp(known, parent).(map[string]any)
		candidates := slices.Sorted(maps.Keys(siblings))
		if len(parent) == 0 {
			candidates = append(candidates, extra...)
		}
		found = append(found, problem{key, unknown(name, lookUp(table, key), candidates)})
	}
	for i := range found {
		found[i].key = join(at, found[i].key...)
	}
	return found
}

// decodeKey decodes a table of one key. What is wrong below that key it takes
// out of the table and goes on, since the library stops at the first error that
// it comes upon, which may be another one each time.
func decodeKey(name string, one map[string]any, into any) (toml.MetaData, []problem) {
	var found []problem
	for {
		text, err := encode(one)
		if err != nil {
			return toml.MetaData{}, append(found, problem{toml.Key{name}, err})
		}
		meta, err := decodeTOML(text, into)
		if err == nil {
			return meta, found
		}
		wrong := plainProblem(err, meta)
		found = append(found, wrong)
		parent := wrong.key[:max(len(wrong.key)-1, 0)]
		table, _ := lookUp(one, parent).(map[string]any)
		if _, there := table[last(wrong.key)]; !there || len(parent) == 0 {
			return toml.MetaData{}, found
		}
		delete(table, last(wrong.key))
	}
}

func last(key toml.Key) string {
	if len(key) == 0 {
		return ""
	}
	return key[len(key)-1]
}

func encode(v any) (string, error) {
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(v); err != nil {
		return "", fmt.Errorf("write the value as TOML: %w", err)
	}
	return b.String(), nil
}

// names returns the tree of the keys that a configuration has: the way to know
// them without reflection is to have it written. It is nil where that fails.
func names(config any) map[string]any {
	text, err := encode(config)
	if err != nil {
		return nil
	}
	var tree map[string]any
	if _, err := decodeTOML(text, &tree); err != nil {
		return nil
	}
	return tree
}

// lookUp returns the value at a key, or nil.
func lookUp(tree map[string]any, key toml.Key) any {
	var value any = tree
	for _, name := range key {
		table, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = table[name]
	}
	return value
}

// topmost leaves out the keys below earlier ones: within an unknown table
// everything is unknown.
func topmost(keys []toml.Key) []toml.Key {
	var top []toml.Key
	seen := map[string]bool{}
	for _, key := range keys {
		below := false
		for n := 1; n <= len(key); n++ {
			below = below || seen[key[:n].String()]
		}
		if !below {
			seen[key.String()] = true
			top = append(top, key)
		}
	}
	return top
}

// misspelt finds keys that the library took although their case is wrong: TOML
// tells "Listen" from "listen".
func misspelt(table, known map[string]any, at toml.Key) []toml.Key {
	var found []toml.Key
	for _, name := range slices.Sorted(maps.Keys(table)) {
		inner, exact := known[name]
		if !exact {
			sameLetters := func(other string) bool { return strings.EqualFold(name, other) }
			if slices.ContainsFunc(slices.Collect(maps.Keys(known)), sameLetters) {
				found = append(found, join(at, name))
			}
			continue
		}
		below, _ := table[name].(map[string]any)
		knownBelow, _ := inner.(map[string]any)
		found = append(found, misspelt(below, knownBelow, join(at, name))...)
	}
	return found
}

// leaves returns the keys of the values that are no tables.
func leaves(table map[string]any, at toml.Key) []toml.Key {
	var keys []toml.Key
	for _, name := range slices.Sorted(maps.Keys(table)) {
		key := join(at, name)
		if below, ok := table[name].(map[string]any); ok {
			keys = append(keys, leaves(below, key)...)
		} else {
			keys = append(keys, key)
		}
	}
	return keys
}

// dropped reports whether a key is one of a Go map. What is no table there the
// library drops without a word. A map takes an array and does not show it, and
// takes a key of any name and does show that.
func dropped(key toml.Key, fresh func() any) bool {
	takes, shown := try(fresh(), key, []int{1})
	if _, array := shown.([]any); !takes || array {
		return false
	}
	for _, value := range []any{"", 1, true, 1.5, []string{}, map[string]any{}} {
		takes, shown := try(fresh(), join(key, "any-name"), value)
		if takes && shown != nil {
			return true
		}
	}
	return false
}

// try decodes one value into a configuration and returns what that then shows
// at the key.
func try(config any, key toml.Key, value any) (takes bool, shown any) {
	for _, name := range slices.Backward(key) {
		value = map[string]any{name: value}
	}
	text, err := encode(value)
	if err != nil {
		return false, nil
	}
	meta, err := decodeTOML(text, config)
	if err != nil || len(meta.Undecoded()) > 0 {
		return false, nil
	}
	return true, lookUp(names(config), key)
}

// plainProblem puts an error of the library into words for people.
func plainProblem(err error, meta toml.MetaData) problem {
	var key toml.Key
	if keys := meta.Keys(); len(keys) > 0 {
		key = keys[0]
	}
	name, message := "", err.Error()
	var at toml.ParseError
	if errors.As(err, &at) {
		name, message = at.LastKey, at.Message
	} else if _, rest, ok := strings.Cut(message, "(last key "); ok {
		for _, k := range meta.Keys() {
			if m, ok := strings.CutPrefix(rest, fmt.Sprintf("%q): ", k)); ok {
				name, message = k.String(), m
			}
		}
	}
	for _, k := range meta.Keys() {
		if k.String() == name {
			key = k
		}
	}
	return problem{key, errors.New(plainMessage(message))}
}

func plainMessage(message string) string {
	if types, ok := strings.CutPrefix(message, "incompatible types: TOML value has type "); ok {
		if have, want, ok := strings.Cut(types, "; destination has type "); ok {
			return "want " + plainType(want) + ", have " + plainType(have)
		}
	}
	if _, have, ok := strings.Cut(message, ": expected table but found "); ok {
		return "want a table, have " + plainType(have)
	}
	return message
}

// plainType names a type of the library in the words of TOML.
func plainType(name string) string {
	switch name {
	case "string":
		return "a string in quotes"
	case "int64", "integer":
		return "a whole number"
	case "float64", "float":
		return "a number"
	case "bool", "boolean":
		return "true or false"
	case "time.Time":
		return "a date"
	case "[]any", "slice":
		return "an array"
	case "map[string]any", "map":
		return "a table"
	case "[]map[string]any":
		return "an array of tables"
	}
	return name
}
