package accuracy_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the simulated sections of docs/accuracy.md anew")

const document = "../docs/accuracy.md"

// TestAccuracyDocument plays all scenarios and holds docs/accuracy.md against what comes
// of them: the same bytes each time.
func TestAccuracyDocument(t *testing.T) {
	var outcomes []*outcome
	for _, s := range scenarios() {
		outcomes = append(outcomes, play(t, s))
	}
	var each strings.Builder
	for _, o := range outcomes {
		each.WriteString(o.section())
	}
	each.WriteString("\n")
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, s := range []struct{ name, text string }{
		{"packages", summary(outcomes, inPackage)},
		{"memory", summary(outcomes, inMemory)},
		{"work", kindsOfWork()},
		{"formulas", formulas(outcomes[0])},
		{"scenarios", each.String()},
	} {
		text = putSection(t, text, s.name, s.text)
	}
	if *update {
		if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(text, string(raw)); diff != "" && !*update {
		t.Errorf("docs/accuracy.md is stale; write it anew with: make accuracy\n-simulated +document\n%s", diff)
	}
}

// formulas says where those of the others are from.
func formulas(o *outcome) string {
	var b strings.Builder
	b.WriteString("\n")
	line := table(&b, "row", "where its formula is from", "reads pods every", "energy every", "CPU time in")
	line("podjoule", "`plugins/attribution`, as it stands", span(window), span(window), "µs of control groups; of the node, ticks of 10 ms")
	for _, p := range o.peers {
		pods, energy, unit := window, window, "ticks of 10 ms"
		switch p.(type) {
		case *alumet:
			pods, unit = alumetEvery*window, "µs of control groups"
		case *scaphandre:
			pods, energy = scaphandreEvery*window, scaphandreEvery*window
		}
		line(p.title(), p.source(), span(pods), span(energy), unit)
	}
	b.WriteString("\n")
	return b.String()
}

func marks(name string) (begin, end string) {
	return fmt.Sprintf("<!-- begin %s -->\n", name), fmt.Sprintf("<!-- end %s -->", name)
}

// putSection puts what was simulated between the marks of a section.
func putSection(t *testing.T, text, name, section string) string {
	t.Helper()
	begin, end := marks(name)
	before, rest, ok := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("docs/accuracy.md: want a line %q and after it one %q", strings.TrimSpace(begin), end)
	}
	return before + begin + section + end + after
}

// What stands outside of the sections is written by hand, and has no figures: they would
// not change with the code.
func TestProseHasNoFigures(t *testing.T) {
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	prose := regexp.MustCompile(`(?s)<!-- begin (\w+) -->.*?<!-- end \w+ -->`).ReplaceAllString(string(raw), "")
	if strings.Contains(prose, "<!--") || strings.Count(prose, "\n") < 10 {
		t.Fatal("the marks of the sections do not fit")
	}
	prose = regexp.MustCompile(`\]\([^)]*\)|k8s`).ReplaceAllString(prose, "") // links, and a name
	for line := range strings.Lines(prose) {
		if found := regexp.MustCompile(`[0-9]+`).FindString(line); found != "" {
			t.Errorf("docs/accuracy.md says %q by hand: %s", found, line)
		}
	}
}
