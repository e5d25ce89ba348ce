package main

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/plugins/csv"
	"github.com/podjoule/podjoule/token"
)

// table is one table of the configuration as `podjoule config default` prints it. What that
// prints is held against the declarations of the plugins by TestExampleIsComplete.
type table struct {
	name, doc string
	keys      []setting
}

// setting is one key with its default.
type setting struct {
	name, value string
	// doc is what the lines above it say, also of the keys right below it, which
	// have none of their own.
	doc   []string
	first bool // of those that share it
}

// tablesOf reads a configuration with its comments.
func tablesOf(text string) (tables []table) {
	var comment []string
	var doc []string
	first := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		said, isComment := strings.CutPrefix(line, "#")
		name, value, isKey := strings.Cut(line, " = ")
		switch {
		case isComment:
			comment = append(comment, strings.TrimPrefix(said, " "))
		case line == "":
			comment, doc = nil, nil
		case strings.HasPrefix(line, "["):
			tables = append(tables, table{name: strings.Trim(line, "[]"), doc: strings.Join(comment, " ")})
			comment, doc = nil, nil
		case isKey:
			if comment != nil {
				doc, comment, first = comment, nil, true
			}
			t := &tables[len(tables)-1]
			t.keys = append(t.keys, setting{name, value, doc, first})
			first = false
		}
	}
	return tables
}

// typeAt returns what is written at a key of a table of the configuration.
func typeAt(t *testing.T, in reflect.Type, path []string) string {
	t.Helper()
	if len(path) == 0 {
		return kindOf(in)
	}
	for in.Kind() == reflect.Pointer {
		in = in.Elem()
	}
	if in.Kind() == reflect.Struct {
		for i := range in.NumField() {
			if in.Field(i).Tag.Get("toml") == path[0] {
				return typeAt(t, in.Field(i).Type, path[1:])
			}
		}
	}
	t.Fatalf("%v has no key %s", in, path[0])
	return ""
}

// kindOf says how the values of a type are written.
func kindOf(of reflect.Type) string {
	switch of {
	case reflect.TypeFor[plugin.Duration]():
		return "duration"
	case reflect.TypeFor[csv.Size]():
		return "size"
	case reflect.TypeFor[token.Config]():
		return "text or table"
	}
	switch of.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Int:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.String:
		return "text"
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Struct {
			return "list of tables"
		}
		return "list of texts"
	case reflect.Map, reflect.Struct:
		return "table"
	}
	return ""
}

// unitOf says what a number counts, where the name of its key tells.
func unitOf(key, kind string) string {
	switch {
	case kind == "integer" && strings.HasSuffix(key, "_bytes"):
		return ", bytes"
	case kind == "number" && strings.Contains(key, "watts"):
		return ", W"
	}
	return ""
}

// cell makes one cell of a table of the lines of a comment: those that are set in are
// values and what they mean, or an example.
func cell(lines []string) string {
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace
	meaning := regexp.MustCompile(`^(\S+) {2,}(.*)$`)
	var b strings.Builder
	for i, line := range lines {
		text := strings.TrimSpace(line)
		switch parts := meaning.FindStringSubmatch(text); {
		case !strings.HasPrefix(line, "  "):
			if i > 0 {
				b.WriteString(" ")
				if strings.HasPrefix(lines[i-1], "  ") {
					b.WriteString("<br>")
				}
			}
			b.WriteString(escape(text))
		case parts != nil:
			fmt.Fprintf(&b, "<br>`%s`: %s", parts[1], escape(parts[2]))
		default:
			fmt.Fprintf(&b, "<br>`%s`", text)
		}
	}
	return b.String()
}

// configurationDocument describes every key of every table.
func configurationDocument(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Configuration\n\nGenerated from the plugins' declarations and from what `podjoule config default` prints, by " +
		"`go test . -run TestConfigurationDocument -update`.\n\n" +
		"The file is TOML, `config.toml` in the working directory unless `--config` or `$PODJOULE_CONFIG` names another one. Every key may be left out; then it has its\n" +
		"default. A plugin runs when its table is there; `enable = false` in it turns it off. `${NAME}` in a text stands for an environment variable, `$${`\n" +
		"for `${` itself. A duration is a text such as `\"5s\"`, `\"500ms\"` or `\"1h\"`, a size one such as `\"64MiB\"`. `podjoule config check` says what is wrong, with file,\n" +
		"line and key; SIGHUP has a running agent read the file again.\n")
	types := map[string]reflect.Type{"agent": reflect.TypeFor[agent.Settings]()}
	pages := make(map[string]plugin.Plugin)
	for _, p := range builtin() {
		types["plugins."+p.Name] = reflect.TypeOf(p.Config())
		pages["plugins."+p.Name] = p
	}
	for _, section := range tablesOf(exampleConfig) {
		fmt.Fprintf(&b, "\n## [%s]\n", section.name)
		if p, ok := pages[section.name]; ok {
			fmt.Fprintf(&b, "\n%s. A %s: [plugins/%s](../plugins/%s/README.md) says how it works.\n", upperFirst(p.Doc), p.Role, p.Name, p.Name)
		} else if section.doc != "" {
			fmt.Fprintf(&b, "\n%s\n", cell([]string{section.doc}))
		}
		b.WriteString("\n| key | type | default | what it is |\n| --- | --- | --- | --- |\n")
		root, path := rootOf(section.name)
		for _, k := range section.keys {
			if k.doc == nil {
				t.Errorf("[%s] %s: config.toml.example has no comment above it, or above the keys before it", section.name, k.name)
			}
			doc := cell(k.doc)
			if !k.first {
				doc = "as the key above"
			}
			kind := typeAt(t, types[root], append(slices.Clone(path), k.name))
			fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", k.name, kind+unitOf(k.name, kind), k.value, doc)
		}
	}
	return b.String()
}

// rootOf parts the name of a table into that of the agent or of a plugin and the rest.
func rootOf(name string) (root string, rest []string) {
	parts := strings.Split(name, ".")
	if parts[0] == "plugins" {
		return strings.Join(parts[:2], "."), parts[2:]
	}
	return parts[0], parts[1:]
}

func TestConfigurationDocument(t *testing.T) {
	const file = "docs/configuration.md"
	want := configurationDocument(t)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, readDocument(t, file)); diff != "" {
		t.Errorf("%s is stale; write it anew with: go test . -run TestConfigurationDocument -update\n-code +document\n%s", file, diff)
	}
}

// The document has every key of the declarations, and the default of each is what the
// code has.
func TestConfigurationDocumentIsComplete(t *testing.T) {
	var keys []string
	var text strings.Builder
	for _, section := range tablesOf(exampleConfig) {
		fmt.Fprintf(&text, "[%s]\n", section.name)
		keys = append(keys, section.name)
		for _, k := range section.keys {
			keys = append(keys, section.name+"."+k.name)
			fmt.Fprintf(&text, "%s = %s\n", k.name, k.value)
		}
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "agent" })
	slices.Sort(keys)
	want := slices.DeleteFunc(keysOf(t, allDefaults(t)), func(key string) bool { return key == "agent" })
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("-code +document\n%s", diff)
	}
	var inCode, inDocument map[string]any
	for text, into := range map[string]*map[string]any{allDefaults(t): &inCode, text.String(): &inDocument} {
		if _, err := toml.Decode(text, into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(inCode, inDocument); diff != "" {
		t.Errorf("-code +document\n%s", diff)
	}
}
