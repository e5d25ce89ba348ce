package agent

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/plugin"
)

var update = flag.Bool("update", false, "write want.txt anew")

// TestBadConfig loads every testdata/*/config.toml and compares the error.
func TestBadConfig(t *testing.T) {
	files, err := filepath.Glob("testdata/*/config.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := Load("config.toml", text, testOptions())
			if err == nil {
				t.Fatalf("want an error, have %+v", cfg)
			}
			var typed *ConfigError
			if !errors.As(err, &typed) || typed.File != "config.toml" {
				t.Errorf("%#v is no *ConfigError that names the file", err)
			}
			got := err.Error() + "\n"
			wantFile := filepath.Join(filepath.Dir(file), "want.txt")
			if *update {
				if err := os.WriteFile(wantFile, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantFile)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func load(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Load("config.toml", []byte(text), testOptions())
	if err != nil {
		t.Fatalf("load:\n%v", err)
	}
	return cfg
}

func pluginNames(cfg *Config) []string {
	var names []string
	for _, e := range cfg.Plugins {
		names = append(names, e.Plugin.Name)
	}
	return names
}

func TestEnabledPlugins(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"default output", "[plugins.k8s]", []string{"k8s", "csv"}},
		{"pipeline order", "[plugins.prometheus]\n[plugins.csv]\n[plugins.attribution]\n[plugins.rapl]\n[plugins.k8s]", []string{"k8s", "rapl", "attribution", "csv", "prometheus"}},
		{"an output of one's own", "[plugins.k8s]\n[plugins.prometheus]", []string{"k8s", "prometheus"}},
		{"enable", "[plugins.k8s]\nenable = true\n[plugins.rapl]\nenable = false", []string{"k8s", "csv"}},
		{"no output at all", "[plugins.k8s]\n[plugins.csv]\nenable = false", []string{"k8s"}},
		{"a disabled table is not looked into", "[plugins.k8s]\n[plugins.rapl]\nenable = false\nnode = \"${UNSET}\"\nwrkers = 1", []string{"k8s", "csv"}},
		{"dotted", "plugins.k8s.node = \"a\"", []string{"k8s", "csv"}},
		{"inline", "plugins = { k8s = { node = \"a\" } }", []string{"k8s", "csv"}},
		{"byte order mark and CRLF", "\ufeff[plugins.k8s]\r\nnode = \"a\"\r\n", []string{"k8s", "csv"}},
		{"agent only in name", "[agent]\n[plugins.k8s]", []string{"k8s", "csv"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, pluginNames(load(t, tc.text))); diff != "" {
				t.Errorf("plugins (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOneKeySetLeavesTheRestDefault(t *testing.T) {
	cfg := load(t, "[agent]\nlog_level = \"debug\"\n[plugins.k8s]\nnode = \"other\"\n")
	wantAgent := DefaultSettings()
	wantAgent.LogLevel = "debug"
	if diff := cmp.Diff(wantAgent, cfg.Agent); diff != "" {
		t.Errorf("agent (-want +got):\n%s", diff)
	}
	want := newPodsConfig()
	want.Node = "other"
	if diff := cmp.Diff(want, cfg.Plugins[0].Config, cmp.AllowUnexported(tokenConfig{})); diff != "" {
		t.Errorf("k8s (-want +got):\n%s", diff)
	}
}

func TestEveryKey(t *testing.T) {
	cfg := load(t, `
[agent]
listen = "127.0.0.1:80"
log_level = "error"
log_format = "json"
sysfs_root = "/host/sys"
procfs_root = "/host/proc"

[plugins.k8s]
poll_interval = "${FIVE}"
node = "${NODE}"
containers = true
workers = 7
ratio = 1
metrics = ["${NODE}-${NODE}", "$${NODE}", "$$${NODE}", "$NODE", "${EMPTY}"]
token_retrieval.file = "/token"
tls = { ca_file = "ca", verify.server_name = """
x
${NODE}""" }
rename_attributes = { name = "pod", "Name" = "${NODE}" }
password = "${SNEAKY}"

[[plugins.k8s.rules]]
name = "a"
[[plugins.k8s.rules]]
name = "${NODE}"
`)
	want := newPodsConfig()
	want.Node, want.Containers, want.Workers, want.Ratio = "node-7", true, 7, 1
	want.Names = []string{"node-7-node-7", "${NODE}", "$${NODE}", "$NODE", ""}
	want.Token.how = "map[file:/token]"
	want.TLS.CAFile = "ca"
	want.TLS.Verify.ServerName = "x\nnode-7"
	want.Renames = plugin.Renames{"name": "pod", "Name": "node-7"}
	want.Rules = []rule{{"a"}, {"node-7"}}
	want.Password = "${NODE}\"\nworkers = 9" // data, not configuration
	if diff := cmp.Diff(want, cfg.Plugins[0].Config, cmp.AllowUnexported(tokenConfig{})); diff != "" {
		t.Errorf("k8s (-want +got):\n%s", diff)
	}
	wantAgent := Settings{Listen: "127.0.0.1:80", LogLevel: "error", LogFormat: "json", SysfsRoot: "/host/sys", ProcfsRoot: "/host/proc"}
	if diff := cmp.Diff(wantAgent, cfg.Agent); diff != "" {
		t.Errorf("agent (-want +got):\n%s", diff)
	}
}

func TestReferenceExamplesLoad(t *testing.T) {
	for _, text := range []string{
		"token_retrieval = \"auto\"",
		"token_retrieval.file = \"/path/to/token\"",
		"token_retrieval.kubectl = {\n    service_account = \"alumet-reader\",\n    namespace = \"alumet\"\n}",
	} {
		load(t, "[plugins.k8s]\n"+text+"\n")
	}
}
