package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad feeds any text to Load, which must answer with a configuration that
// can tick or with errors that name the file.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*/config.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("[plugins.k8s]\nnode = \"${NODE}\"\nrules = [{name = \"a\"}]\n[agent]\nlisten = \"\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := Load("config.toml", text, testOptions())
		if err != nil {
			var typed *ConfigError
			if !errors.As(err, &typed) || !strings.HasPrefix(err.Error(), "config.toml:") {
				t.Errorf("error without the file: %v", err)
			}
			if lines := 1 + strings.Count(string(text), "\n"); typed.Line < 0 || typed.Line > lines {
				t.Errorf("line %d of %d: %v", typed.Line, lines, err)
			}
			return
		}
		if err := cfg.check(); err != nil {
			t.Errorf("loaded, but: %v", err)
		}
		if err := cfg.Agent.Validate(); err != nil {
			t.Errorf("loaded, but: %v", err)
		}
	})
}

// FuzzExpand checks that a text without variables stays as it is, that every
// text can be written, and that what a variable holds is not looked into.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "a", "${A}", "$${A}", "$$${A}", "${", "${A", "${}", "${A}${A}", "$$", "}{$"} {
		f.Add(s, "${A}")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		lookup := func(string) (string, bool) { return value, true }
		if got, err := expand(text, lookup); !strings.Contains(text, "${") && (err != nil || got != text) {
			t.Errorf("expand(%q): got %q, %v; want it unchanged", text, got, err)
		}
		in, want := "<${A}>"+strings.ReplaceAll(text, "${", "$${"), "<"+value+">"+text
		if got, err := expand(in, lookup); err != nil || got != want {
			t.Errorf("expand(%q): got %q, %v; want %q", in, got, err, want)
		}
	})
}
