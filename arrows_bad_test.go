package main_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestArrowsFindFaults shows the checker trees of one file each: every rule of
// it can be broken.
func TestArrowsFindFaults(t *testing.T) {
	ours := func(folder string) string { return `import "` + module + "/" + folder + `"` }
	tests := []struct {
		name, file, code string
		// want is how each fault begins, in order.
		want []string
	}{
		{"all is well", "agent/a.go", ours("agent/plugin"), nil},
		{"the program imports a plugin", "main.go", ours("plugins/csv"), nil},
		{"k8s imports cgroup", "plugins/k8s/a.go", ours("cgroup"), nil},
		{"a plugin's test imports the kit", "plugins/csv/a_test.go", ours("agent/plugin/plugintest"), nil},
		{"a test imports its own package", "token/a_test.go", ours("token"), nil},
		{"a test imports another module", "token/a_test.go", `import "github.com/google/go-cmp/cmp"`, nil},
		{"a library imports another module", "cgroup/a.go", `import "golang.org/x/sys/unix"`, nil},
		{"a name that begins like ours", "cgroup/a.go", `import "` + module + `s/x"`, nil},
		{"a method called init", "cgroup/a.go", "type t struct{}\nfunc (t) init() {}", nil},

		{"the host imports a plugin", "agent/a.go", ours("plugins/csv"),
			[]string{"agent/a.go: import of plugins/csv: of ours, agent may import agent/plugin, agent/measure;"}},
		{"the host's test imports a plugin", "agent/a_test.go", ours("plugins/csv"),
			[]string{"agent/a_test.go: import of plugins/csv: "}},
		{"the contract imports the host", "agent/plugin/a.go", ours("agent"),
			[]string{"agent/plugin/a.go: import of agent: of ours, agent/plugin may import agent/measure;"}},
		{"values import the contract", "agent/measure/a.go", ours("agent/plugin"),
			[]string{"agent/measure/a.go: import of agent/plugin: of ours, agent/measure may import nothing;",
				"agent/measure/a.go: import of github.com/podjoule/podjoule/agent/plugin: agent/measure imports the standard library"}},
		{"a plugin imports another", "plugins/csv/a.go", ours("plugins/otlp"),
			[]string{"plugins/csv/a.go: import of plugins/otlp: "}},
		{"a plugin imports the program", "plugins/csv/a.go", `import "` + module + `"`,
			[]string{"plugins/csv/a.go: import of .: "}},
		{"only k8s imports cgroup", "plugins/csv/a.go", ours("cgroup"),
			[]string{"plugins/csv/a.go: import of cgroup: "}},
		{"a library imports a library", "cgroup/a.go", ours("token"),
			[]string{"cgroup/a.go: import of token: of ours, cgroup may import nothing;"}},
		{"a plugin imports the simulation", "plugins/k8s/a.go", ours("simnode"),
			[]string{"plugins/k8s/a.go: import of simnode: "}},
		{"the program imports the kit", "main.go", ours("agent/plugin/plugintest"),
			[]string{"main.go: import of agent/plugin/plugintest: "}},
		{"token imports another module", "token/a.go", `import "golang.org/x/sys/unix"`,
			[]string{"token/a.go: import of golang.org/x/sys/unix: token imports the standard library alone"}},
		{"cgo", "cgroup/a.go", `import "C"`,
			[]string{"cgroup/a.go: import of C: the agent is a static binary"}},
		{"typed clientset", "plugins/k8s/a.go", `import "k8s.io/client-go/kubernetes"`,
			[]string{"plugins/k8s/a.go: import of k8s.io/client-go/kubernetes: the typed clientset"}},
		{"its scheme", "simnode/a_test.go", `import "k8s.io/client-go/kubernetes/scheme"`,
			[]string{"simnode/a_test.go: import of k8s.io/client-go/kubernetes/scheme: the typed clientset"}},
		{"testify", "agent/a_test.go", `import "github.com/stretchr/testify/assert"`,
			[]string{"agent/a_test.go: import of github.com/stretchr/testify/assert: tests compare"}},
		{"init", "token/a.go", "func init() {}",
			[]string{"token/a.go: func init: nothing happens by being imported"}},
		{"a folder nobody knows", "weather/a.go", "",
			[]string{"weather: a new folder: add a line for it to arrows()"}},
		{"a folder within a plugin", "plugins/csv/columns/a.go", "",
			[]string{"plugins/csv/columns: a new folder: "}},
		{"an empty name", "plugins/utils/a.go", "",
			[]string{"plugins/utils: the name says nothing: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := fstest.MapFS{tt.file: {Data: []byte("// Package p is for this test.\npackage p\n" + tt.code + "\n")}}
			got := faults(t, tree)
			for i, want := range tt.want {
				if i < len(got) && strings.HasPrefix(got[i], want) {
					got[i] = want
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// TestArrowsLookAtPackagesOnly shows the checker a tree in which two folders
// lack a comment and others do not belong to the module's packages.
func TestArrowsLookAtPackagesOnly(t *testing.T) {
	bare := &fstest.MapFile{Data: []byte("package p\n\nfunc init() {}\n")}
	comment := &fstest.MapFile{Data: []byte("// Package p is for this test.\npackage p\n")}
	plain := &fstest.MapFile{Data: []byte("package p\n")}
	tree := fstest.MapFS{
		"go.mod":                      {},
		"cgroup/doc.go":               comment,
		"cgroup/a.go":                 plain,
		"cgroup/a_test.go":            plain,
		"deploy/kubernetes/a_test.go": comment,
		"simnode/a.go":                plain,
		"simnode/a_test.go":           comment,
		"token/a.go":                  {Data: []byte("//go:build linux\n\n// A remark.\n\npackage p\n")},
		"cgroup/testdata/a.go":        bare,
		".cache/a.go":                 bare,
		"_old/a.go":                   bare,
		"e2e/go.mod":                  {},
		"e2e/a.go":                    bare,
	}
	want := []string{
		"simnode: the package has no comment: say above one of its package clauses what it is for",
		"token: the package has no comment: say above one of its package clauses what it is for",
	}
	if diff := cmp.Diff(want, faults(t, tree)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
