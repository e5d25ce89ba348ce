package main

import (
	"debug/buildinfo"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Every module that is in the program has its license in the package, and Go has.
func TestLicenses(t *testing.T) {
	m := packed(t)
	got, err := licenses(t.Context(), m.source, m.program())
	if err != nil {
		t.Fatal(err)
	}
	lines := "\n" + string(got)
	info, err := buildinfo.ReadFile(m.program())
	if err != nil || len(info.Deps) < 20 {
		t.Fatalf("the program has %d modules: %v", len(info.Deps), err)
	}
	for _, module := range info.Deps {
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
