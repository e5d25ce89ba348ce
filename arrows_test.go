package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/podjoule/podjoule"

// arrows says for each folder with Go code which folders of this repository its
// code may import. A name ending in * stands for every folder of one level that
// has no line of its own.
//
// A new folder gets a line here. Arrows point down only, and plugins meet in
// samples: a plugin never imports another.
func arrows() map[string][]string {
	contract := []string{"agent/plugin", "agent/measure"}
	return map[string][]string{
		".":                       {"agent", "agent/plugin", "agent/measure", "agent/family", "cgroup", "token", "sysfs", "simnode", "plugins/*"},
		"agent":                   contract,
		"agent/plugin":            {"agent/measure"},
		"agent/plugin/plugintest": contract,
		"agent/measure":           nil,
		"agent/family":            contract,
		"agent/queue":             nil,
		"cgroup":                  nil,
		"cgroup/cgrouptest":       nil,
		"token":                   nil,
		"sysfs":                   nil,
		"simnode":                 nil,
		"deploy/kubernetes":       nil,
		"deploy/prometheus":       nil,
		"deploy/grafana":          nil,
		"deploy/systemd":          nil,
		"scripts/specpower":       nil,
		"accuracy":                append([]string{"plugins/attribution", "plugins/k8s", "plugins/rapl", "cgroup"}, contract...),
		"docs":                    append([]string{"plugins/k8s", "cgroup", "token"}, contract...),
		"plugins/*":               contract,
		"plugins/otlp":            append([]string{"agent/queue"}, contract...),
		"plugins/k8s":             append([]string{"cgroup", "token"}, contract...),
		"plugins/hwmon":           append([]string{"sysfs"}, contract...),
		"plugins/prometheus":      append([]string{"agent/family"}, contract...),
		"plugins/remotewrite":     append([]string{"agent/family", "agent/queue"}, contract...),
		"plugins/rapl":            append([]string{"sysfs"}, contract...),
	}
}

// forTests are the folders that every test may import besides.
func forTests() []string { return []string{"simnode", "agent/plugin/plugintest", "cgroup/cgrouptest"} }

// standardOnly are the folders whose code imports the standard library alone,
// so that everybody can depend on them. Their tests may import more.
func standardOnly() []string { return []string{"agent/measure", "token"} }

// banned says what is imported nowhere, and why. A path stands for the packages
// below it too.
func banned() map[string]string {
	return map[string]string{
		"C": "the agent is a static binary, built without cgo",
		"k8s.io/client-go/kubernetes": "the typed clientset knows every kind of object there is: the binary grows from 14 to 27 MB " +
			"and the agent by 9 MiB of memory; use rest.RESTClientFor with a scheme of the kinds that are needed",
		"github.com/stretchr/testify": "tests compare got and want with if and go-cmp",
	}
}

// emptyNames are names that say nothing about what a package holds.
func emptyNames() []string {
	return []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "lib"}
}

// TestArrows keeps the architecture. It parses the files instead of asking the
// go command, because go test would take an answer of the go command from its
// cache after the rule was broken; the files that a test opens it looks at anew.
func TestArrows(t *testing.T) {
	for _, fault := range faults(t, os.DirFS(".")) {
		t.Error(fault)
	}
}

// faults returns what is wrong in a tree of Go files, sorted.
func faults(t *testing.T, tree fs.FS) []string {
	t.Helper()
	var all []string
	folders := make(map[string]contents)
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return skip(tree, name)
		case path.Ext(name) != ".go":
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := path.Dir(name)
		folders[folder] = folders[folder].with(name, file)
		all = append(all, faultsOfFile(name, file)...)
		return nil
	})
	if err != nil {
		t.Fatalf("read the tree: %v", err)
	}
	for folder, has := range folders {
		if _, known := rightsOf(folder); !known {
			all = append(all, folder+": a new folder: add a line for it to arrows() in arrows_test.go, with what of ours it may import")
		}
		if !has.comment && (has.code || !has.testComment) {
			all = append(all, folder+": the package has no comment: say above one of its package clauses what it is for")
		}
		if slices.Contains(emptyNames(), path.Base(folder)) {
			all = append(all, folder+": the name says nothing: name a package after what it holds")
		}
	}
	slices.Sort(all)
	return all
}

// contents is what the files of a folder have: code besides tests, and a package
// comment. A folder with nothing but tests has its comment on one of them.
type contents struct{ code, comment, testComment bool }

func (c contents) with(name string, file *ast.File) contents {
	comment := strings.TrimSpace(file.Doc.Text()) != ""
	if strings.HasSuffix(name, "_test.go") {
		c.testComment = c.testComment || comment
		return c
	}
	return contents{code: true, comment: c.comment || comment, testComment: c.testComment}
}

// skip leaves out what is no part of the module: hidden folders, test data, and
// folders that are modules of their own.
func skip(tree fs.FS, folder string) error {
	if folder == "." {
		return nil
	}
	base := path.Base(folder)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(folder, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// rightsOf returns what a folder may import of ours, and whether it is known.
func rightsOf(folder string) ([]string, bool) {
	table := arrows()
	if rights, known := table[folder]; known {
		return rights, true
	}
	rights, known := table[path.Join(path.Dir(folder), "*")]
	return rights, known
}

func faultsOfFile(name string, file *ast.File) []string {
	var all []string
	fault := func(format string, args ...any) { all = append(all, name+": "+fmt.Sprintf(format, args...)) }
	folder, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	rights, _ := rightsOf(folder)
	who := folder
	if test {
		rights = slices.Concat(rights, forTests(), []string{folder})
		who = "tests in " + folder
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			fault("import %s: %v", spec.Path.Value, err)
			continue
		}
		for _, ban := range slices.Sorted(maps.Keys(banned())) {
			if within(imported, ban) {
				fault("import of %s: %s", imported, banned()[ban])
			}
		}
		if ours, ok := strings.CutPrefix(imported+"/", module+"/"); ok {
			if ours = path.Clean(ours); !permitted(rights, ours) {
				fault("import of %s: of ours, %s may import %s; see arrows() in arrows_test.go", ours, who, list(rights))
			}
		}
		if !test && slices.Contains(standardOnly(), folder) && !standard(imported) {
			fault("import of %s: %s imports the standard library alone", imported, folder)
		}
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "init" && f.Recv == nil {
			fault("func init: nothing happens by being imported; call it, or list it in builtin.go")
		}
	}
	return all
}

// permitted tells whether a folder is among the rights, by name or by level.
func permitted(rights []string, folder string) bool {
	return slices.ContainsFunc(rights, func(right string) bool {
		return right == folder || right == path.Join(path.Dir(folder), "*")
	})
}

// within tells whether an import path is a given one or lies below it.
func within(imported, above string) bool { return strings.HasPrefix(imported+"/", above+"/") }

// standard tells the standard library's import paths, and ours, from those of
// other modules, which begin with a host name.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && imported != "C"
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
