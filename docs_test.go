package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestTestingDocument checks that every test which docs/testing.md names is
// there: a test that is renamed takes its mention along.
func TestTestingDocument(t *testing.T) {
	text, err := os.ReadFile("docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	if !mentioned().Match(text) {
		t.Fatal("docs/testing.md names no test")
	}
	for _, fault := range faultsOfMentions(t, os.DirFS("."), string(text)) {
		t.Error("docs/testing.md: " + fault)
	}
}

// mentioned finds a test as documents name it: its folder, or main for the root,
// a dot, and its name.
func mentioned() *regexp.Regexp {
	return regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz|Benchmark|Example)[A-Z][A-Za-z0-9_]*)`")
}

// faultsOfMentions returns what is wrong with the tests that a text names.
func faultsOfMentions(t *testing.T, tree fs.FS, text string) []string {
	t.Helper()
	var all []string
	tests := make(map[string][]string) // by folder
	for _, mention := range mentioned().FindAllStringSubmatch(text, -1) {
		folder, name := mention[1], mention[2]
		if folder == "main" {
			folder = "."
		}
		if _, known := tests[folder]; !known {
			tests[folder] = testsIn(t, tree, folder)
		}
		if !slices.Contains(tests[folder], name) {
			all = append(all, fmt.Sprintf("there is no %s in %s", name, folder))
		}
	}
	rest := mentioned().ReplaceAllString(text, "")
	for _, stray := range regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z]\w*`).FindAllString(rest, -1) {
		all = append(all, fmt.Sprintf("%s stands without its folder: write `folder.%s`", stray, stray))
	}
	return all
}

// testsIn returns the names of the functions in a folder's test files.
func testsIn(t *testing.T, tree fs.FS, folder string) []string {
	t.Helper()
	files, err := fs.Glob(tree, path.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range files {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

// TestMentionsFindFaults shows the checker texts that are right and wrong.
func TestMentionsFindFaults(t *testing.T) {
	tree := fstest.MapFS{
		"main_test.go":     {Data: []byte("package main\n\nfunc TestRoot() {}\n")},
		"agent/a_test.go":  {Data: []byte("package agent\n\nfunc TestOne() {}\n\nfunc (t) TestMethod() {}\n")},
		"agent/a.go":       {Data: []byte("package agent\n\nfunc TestInNoTestFile() {}\n")},
		"agent/b_test.go":  {Data: []byte("package agent_test\n\nfunc FuzzTwo() {}\n")},
		"cgroup/a_test.go": {Data: []byte("package cgroup\n\nfunc TestElsewhere() {}\n")},
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"all there", "`agent.TestOne`, `agent.FuzzTwo`; `main.TestRoot`", nil},
		{"no test", "Tests are tested. `agent.Run` runs.", nil},
		{"renamed", "`agent.TestOne`, `agent.TestThree`", []string{"there is no TestThree in agent"}},
		{"in another folder", "`agent.TestElsewhere`", []string{"there is no TestElsewhere in agent"}},
		{"no such folder", "`token.TestOne`", []string{"there is no TestOne in token"}},
		{"in no test file", "`agent.TestInNoTestFile`", []string{"there is no TestInNoTestFile in agent"}},
		{"a method", "`agent.TestMethod`", []string{"there is no TestMethod in agent"}},
		{"only the beginning", "`agent.TestOn`", []string{"there is no TestOn in agent"}},
		{"bare", "TestOne", []string{"TestOne stands without its folder: write `folder.TestOne`"}},
		{"bare in quotes", "`TestOne`", []string{"TestOne stands without its folder: write `folder.TestOne`"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, faultsOfMentions(t, tree, tt.text)); diff != "" {
				t.Errorf("faults of %s (-want +got):\n%s", strings.TrimSpace(tt.text), diff)
			}
		})
	}
}
