package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// README.md has every value with its default and what the schema says of it. With -update
// it is written so.
func TestValuesInTheReadme(t *testing.T) {
	var schema property
	if err := json.Unmarshal([]byte(read(t, folder, "values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	leaves := schema.leaves("")
	defaults := values(t, read(t, folder, "values.yaml"))
	rows := []string{"", "| value | default | what it is |", "| --- | --- | --- |"}
	for _, key := range slices.Sorted(maps.Keys(leaves)) {
		if value, there := at(defaults, key); there {
			var text bytes.Buffer
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(value); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, fmt.Sprintf("| `%s` | `%s` | %s |", key, strings.TrimSpace(text.String()), leaves[key].about()))
		}
	}
	if len(rows) < 40 {
		t.Fatalf("there are only %d values", len(rows)-3)
	}
	file := filepath.Join(folder, "README.md")
	old := read(t, file)
	const begin, end = "<!-- begin values -->\n", "\n<!-- end values -->\n"
	before, _, found := strings.Cut(old, begin)
	_, after, ends := strings.Cut(old, strings.TrimPrefix(end, "\n"))
	if !found || !ends {
		t.Fatalf("README.md has no %q and %q", begin, end)
	}
	fresh := before + begin + strings.Join(rows, "\n") + "\n" + end + after
	if *update {
		if err := os.WriteFile(file, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := diff(fresh, old); d != "" {
		t.Errorf("README.md is stale: run go test . -update in deploy/helm (-want +got):\n%s", d)
	}
}

// about is what a value is, and what it may be.
func (p *property) about() string {
	text := p.Title
	for _, choice := range p.Enum {
		if name := fmt.Sprint(choice); !strings.Contains(text, name) {
			text += fmt.Sprintf("; `%s`", name)
		}
	}
	return text
}

// at is the value of a key as in energy.access.
func at(v map[string]any, key string) (value any, there bool) {
	name, rest, deeper := strings.Cut(key, ".")
	value, there = v[name]
	if !deeper {
		return value, there
	}
	below, is := value.(map[string]any)
	if !is {
		return nil, false
	}
	return at(below, rest)
}

// Whatever the README shows as values or as a file of them is taken.
func TestReadmeExamples(t *testing.T) {
	c := load(t)
	text := read(t, folder, "README.md")
	blocks := strings.Split(text, "```yaml\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("it shows no values")
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		release(t, c, values(t, block))
	}
	for _, name := range files(t, filepath.Join(folder, "examples")) {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("it does not name examples/%s", name)
		}
	}
}
