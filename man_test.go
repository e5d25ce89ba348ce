package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// There is a page for each command that people are told of, with all its flags, and one
// for the configuration, with all of it.
func TestManPages(t *testing.T) {
	t.Setenv(configVariable, "/of/who/makes/them.toml")
	root := newCommand()
	pages := manPages(root, "2026-11-21", "podjoule v1")
	want := []string{
		"podjoule-completion.1", "podjoule-config-check.1", "podjoule-config-default.1", "podjoule-config.1", "podjoule-demo.1",
		"podjoule-plugins.1", "podjoule-power.1", "podjoule-run.1", "podjoule-version.1", "podjoule.1", "podjoule.toml.5",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(pages))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for name, page := range pages {
		for _, fault := range faultsOfRoff(page) {
			t.Errorf("%s: %s", name, fault)
		}
		if strings.Contains(page, "/of/who/makes") {
			t.Errorf("%s tells the environment in which it was made", name)
		}
		if !strings.HasPrefix(page, `.TH "PODJOULE`) || !strings.Contains(page, `"2026\-11\-21" "podjoule v1"`) {
			t.Errorf("%s has no title: %.80s", name, page)
		}
		for _, other := range regexp.MustCompile(`\\fB(\S+)\\fR\(([15])\)`).FindAllStringSubmatch(page, -1) {
			if file := strings.ReplaceAll(other[1], `\-`, "-") + "." + other[2]; pages[file] == "" {
				t.Errorf("%s names %s, which there is not", name, file)
			}
		}
	}
	for _, path := range [][]string{{"run"}, {"demo"}, {"power"}, {"config", "check"}, {"version"}} {
		cmd, _, err := root.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(pages[pageName(cmd)+".1"], bold("--"+f.Name)) {
				t.Errorf("the page of %v lacks --%s", path, f.Name)
			}
		})
	}
	if got := pages["podjoule-run.1"]; !strings.Contains(got, "(default config.toml)") || !strings.Contains(got, "SIGHUP") {
		t.Errorf("the page of run: %s", got)
	}
	// What stands verbatim is the file, once what roff reads otherwise is undone.
	_, verbatim, _ := strings.Cut(pages["podjoule.toml.5"], ".nf\n")
	verbatim, _, _ = strings.Cut(verbatim, ".fi\n")
	if diff := cmp.Diff(exampleConfig, strings.NewReplacer(`\-`, "-", `\e`, `\`, `\&`, "").Replace(verbatim)); diff != "" {
		t.Errorf("-config.toml.example +page\n%s", diff)
	}
}

// faultsOfRoff returns the lines that roff would not read, or not show as they were meant.
func faultsOfRoff(page string) (faults []string) {
	escapes := regexp.MustCompile(`\\(f[BIR]|\(dq|[-e&])`)
	open := map[string]int{}
	for i, line := range strings.Split(page, "\n") {
		macro, _, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "'"), strings.Contains(escapes.ReplaceAllString(line, ""), `\`):
			faults = append(faults, fmt.Sprintf("line %d: %s", i+1, line))
		case strings.HasPrefix(line, "."):
			if !slices.Contains([]string{".TH", ".SH", ".PP", ".TP", ".RS", ".RE", ".nf", ".fi"}, macro) {
				faults = append(faults, fmt.Sprintf("line %d: no macro: %s", i+1, line))
			}
			open[macro]++
		}
	}
	if open[".nf"] != open[".fi"] || open[".RS"] != open[".RE"] {
		faults = append(faults, "something is begun and not ended")
	}
	return faults
}

func TestFaultsOfRoff(t *testing.T) {
	for text, want := range map[string]int{
		"a \\- b\n.PP\n": 0, ".XX\n": 1, "'a\n": 1, "a\\qb\n": 1, ".nf\na\n": 1,
		escapeRoff(".a\n'b\nc\\d-e"):   0,
		".SH " + quoteRoff(`say "a\b`): 0,
	} {
		if got := faultsOfRoff(text); len(got) != want {
			t.Errorf("%q: %q, want %d", text, got, want)
		}
	}
	if got, want := escapeRoff(".a\n'b\nc\\d-e"), "\\&.a\n\\&'b\nc\\ed\\-e"; got != want {
		t.Errorf("escaped: %q, want %q", got, want)
	}
}

// Pages are the same for the same source, whoever makes them and when.
func TestManDate(t *testing.T) {
	for _, tt := range []struct{ epoch, committed, want, fault string }{
		{"", "", "", ""},
		{"", "2026-11-21T23:30:00-02:00", "2026-11-22", ""},
		{"", "yesterday", "", ""},
		{"0", "2026-11-21T12:00:00Z", "1970-01-01", ""},
		{"1795262400", "", "2026-11-21", ""},
		{"now", "", "", `"now"`},
		{"-1", "", "", `"-1"`},
	} {
		got, err := manDate(tt.epoch, tt.committed)
		if got != tt.want || (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("manDate(%q, %q) = %q, %v, want %q, %q", tt.epoch, tt.committed, got, err, tt.want, tt.fault)
		}
	}
}

// The command writes them, and whoever shows man pages shows them without a complaint.
func TestManCommand(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "man")
	write := program(t, "man", folder)
	write.Env = append(write.Env, "SOURCE_DATE_EPOCH=1795262400")
	if status, stdout, stderr := finish(t, write); status != 0 || stdout != "" || stderr != "" {
		t.Fatalf("status %d, %q, %q", status, stdout, stderr)
	}
	want := manPages(newCommand(), "2026-11-21", "podjoule "+currentVersion())
	for name, page := range want {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(page, string(got)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	if status, _, stderr := finish(t, program(t, "man")); status != exitUsage || !strings.Contains(stderr, "one folder") {
		t.Errorf("without a folder: status %d, %q", status, stderr)
	}
	if status, _, stderr := finish(t, program(t, "man", filepath.Join(folder, "podjoule.1"))); status != exitFailed || !strings.Contains(stderr, "podjoule.1") {
		t.Errorf("into a file: status %d, %q", status, stderr)
	}
	for _, reader := range [][]string{{"groff", "-man", "-Tutf8", "-ww", "-z"}, {"mandoc", "-T", "lint", "-W", "warning"}} {
		if _, err := exec.LookPath(reader[0]); err != nil {
			t.Logf("there is no %s to read them", reader[0])
			continue
		}
		for name := range want {
			said, err := exec.CommandContext(t.Context(), reader[0], append(reader[1:], filepath.Join(folder, name))...).CombinedOutput()
			if err != nil || len(said) > 0 {
				t.Errorf("%s: %v: %v: %s", name, reader, err, said)
			}
		}
	}
}
