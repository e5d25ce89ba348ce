package licenses

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// Every module that is in the program has its license there, and so have Go and what lies
// beside.
func TestLicenses(t *testing.T) {
	program := filepath.Join(t.TempDir(), "podjoule")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build podjoule: %v: %s", err, said)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil || len(info.Deps) < 20 {
		t.Fatalf("the program has %d modules: %v", len(info.Deps), err)
	}
	beside := &debug.Module{Path: "github.com/google/go-cmp"} // which only tests need
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), beside.Path+" ")
	beside.Version, _, _ = strings.Cut(after, "\n")
	got, err := Of(t.Context(), "../..", program, beside)
	if err != nil {
		t.Fatal(err)
	}
	lines := "\n" + string(got)
	for _, module := range append(info.Deps, beside) {
		if !strings.Contains(lines, "\n"+module.Path+" "+module.Version+"\n") {
			t.Errorf("there is no license of %s", module.Path)
		}
	}
	for _, text := range []string{
		"\nGo " + runtime.Version() + "\n",
		"Copyright 2009 The Go Authors.", "Redistribution and use in source and binary forms",
		"Copyright (c) 2013 TOML authors", "THE SOFTWARE IS PROVIDED \"AS IS\"", "Apache License",
	} {
		if !strings.Contains(lines, text) {
			t.Errorf("there is no %q", text)
		}
	}
	seen := make(map[string]bool)
	for _, section := range strings.Split(string(got), strings.Repeat("=", 78))[1:] {
		_, text, _ := strings.Cut(section, "\n\n")
		if seen[text] {
			t.Errorf("the same text stands there twice: %.100s", text)
		}
		seen[text] = true
	}
	if len(seen) < 5 || len(seen) >= len(info.Deps) {
		t.Errorf("%d modules have %d licenses, want fewer, as many have the same", len(info.Deps), len(seen))
	}
}

// A module without a license must not be passed on.
func TestModuleWithoutLicense(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "README.md"), "MIT")
	write(t, filepath.Join(folder, "license.go"), "package x")
	if err := os.Mkdir(filepath.Join(folder, "LICENSES"), 0o755); err != nil {
		t.Fatal(err)
	}
	if texts, err := licensesIn(folder); err == nil || !strings.Contains(err.Error(), folder) {
		t.Errorf("%q, %v", texts, err)
	}
	for _, name := range []string{"COPYING", "LICENCE.md", "NOTICE"} {
		write(t, filepath.Join(folder, name), "text of "+name+"\n")
	}
	texts, err := licensesIn(folder)
	if got := strings.Join(texts, ","); err != nil || got != "text of COPYING,text of LICENCE.md,text of NOTICE" {
		t.Errorf("%q, %v", got, err)
	}
}

// A program without modules has Go's license alone; one that is none is told of.
func TestProgramWithoutModules(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Of(t.Context(), "../..", self)
	if err != nil || strings.Count(string(got), strings.Repeat("=", 78)) > 2 || !strings.Contains(string(got), "The Go Authors") {
		t.Errorf("%v:\n%s", err, got)
	}
	if _, err := Of(t.Context(), "../..", "licenses.go"); err == nil || !strings.Contains(err.Error(), "licenses.go") {
		t.Errorf("error %v, want one that names the file", err)
	}
	none := &debug.Module{Path: "example.invalid/none", Version: "v1.0.0"}
	if _, err := Of(t.Context(), "../..", self, none); err == nil || !strings.Contains(err.Error(), none.Path) {
		t.Errorf("error %v, want one that names the module", err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
