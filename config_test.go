package main

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent"
)

// keysOf returns the dotted keys of a TOML text.
func keysOf(t *testing.T, text string) []string {
	t.Helper()
	var tree map[string]any
	meta, err := toml.Decode(text, &tree)
	if err != nil {
		t.Fatal(err)
	}
	set := make(map[string]bool)
	for _, key := range meta.Keys() {
		if len(key) > 1 { // [plugins] itself may be written or not
			set[key.String()] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// allDefaults is the configuration of every plugin as the code has it.
func allDefaults(t *testing.T) string {
	t.Helper()
	plugins := make(map[string]any)
	for _, p := range builtin() {
		plugins[p.Name] = p.Config()
	}
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(map[string]any{"agent": agent.DefaultSettings(), "plugins": plugins}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The example has every key of every plugin, and no other, with its default.
func TestExampleIsComplete(t *testing.T) {
	defaults := allDefaults(t)
	if diff := cmp.Diff(keysOf(t, defaults), keysOf(t, exampleConfig)); diff != "" {
		t.Errorf("keys: -code +config.toml.example\n%s", diff)
	}
	var want, got map[string]any
	if _, err := toml.Decode(defaults, &want); err != nil {
		t.Fatal(err)
	}
	if _, err := toml.Decode(exampleConfig, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values: -code +config.toml.example\n%s", diff)
	}
}

func TestExampleLoads(t *testing.T) {
	cfg, err := agent.Load("config.toml.example", []byte(exampleConfig), agent.LoadOptions{Plugins: builtin(), DefaultOutput: defaultOutput})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(agent.DefaultSettings(), cfg.Agent); diff != "" {
		t.Errorf("-code +config.toml.example\n%s", diff)
	}
	if len(cfg.Plugins) != len(builtin()) {
		t.Errorf("%d plugins run, want all %d", len(cfg.Plugins), len(builtin()))
	}
}

// The tables come in pipeline order, as in the list of plugins.
func TestExampleIsInPipelineOrder(t *testing.T) {
	var tree map[string]any
	meta, err := toml.Decode(exampleConfig, &tree)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, key := range meta.Keys() {
		if len(key) == 2 && key[0] == "plugins" {
			got = append(got, key[1])
		}
	}
	for _, p := range builtin() {
		want = append(want, p.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-code +config.toml.example\n%s", diff)
	}
}

// Every configuration that is shipped for Kubernetes is right: the program says so.
func TestManifestConfigurations(t *testing.T) {
	files, err := filepath.Glob("deploy/kubernetes/*/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("deploy/kubernetes/*/*/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || len(more) < 5 {
		t.Fatalf("configurations of the base: %v, of overlays: %v", files, more)
	}
	for _, file := range append(files, more...) {
		absolute, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		cmd := program(t, "config", "check", "--config", absolute)
		cmd.Env = append(cmd.Env, "NODE_NAME=node-1", "NODE_IP=192.0.2.1")
		if status, stdout, stderr := finish(t, cmd); status != 0 || stderr != "" || !strings.Contains(stdout, "k8s, every ") {
			t.Errorf("%s: status %d, %q, %q", file, status, stdout, stderr)
		}
		cmd = program(t, "config", "check", "--config", absolute)
		cmd.Env = slices.DeleteFunc(cmd.Env, func(set string) bool { return strings.HasPrefix(set, "NODE_NAME=") })
		if status, _, stderr := finish(t, cmd); status != 2 || !strings.Contains(stderr, "NODE_NAME") {
			t.Errorf("%s without the node's name: status %d, %q", file, status, stderr)
		}
	}
}
