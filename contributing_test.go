package main_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"testing/fstest"
)

// TestContributingExample builds and tests the plugin that CONTRIBUTING.md
// shows, in the place that it names, as if it were there.
func TestContributingExample(t *testing.T) {
	tree := exampleFiles(t)
	for _, fault := range faults(t, tree) {
		t.Error(fault)
	}
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, file := range tree {
		copied := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(copied, file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, name)] = copied
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	// Built and run apart, and not vetted: both would happen in a folder that is not there.
	program := filepath.Join(dir, "loadavg.test")
	for _, command := range [][]string{
		{"go", "test", "-c", "-vet=off", "-overlay", list, "-o", program, "./plugins/loadavg"},
		{program, "-test.v"},
	} {
		out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("the example in CONTRIBUTING.md: %v: %v\n%s", command, err, out)
		}
	}
}

// exampleFiles returns the files that CONTRIBUTING.md shows.
func exampleFiles(t *testing.T) fstest.MapFS {
	t.Helper()
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	tree := make(fstest.MapFS)
	shown := regexp.MustCompile("(?s)`(plugins/loadavg/[a-z_]+\\.go)`:\n\n```go\n(.*?)```\n")
	for _, match := range shown.FindAllSubmatch(text, -1) {
		tree[string(match[1])] = &fstest.MapFile{Data: match[2]}
	}
	for _, name := range []string{"config.go", "metrics.go", "source.go", "source_test.go"} {
		if _, err := fs.Stat(tree, "plugins/loadavg/"+name); err != nil {
			t.Fatalf("CONTRIBUTING.md shows no plugins/loadavg/%s", name)
		}
	}
	return tree
}
