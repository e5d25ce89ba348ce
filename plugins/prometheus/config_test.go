package prometheus

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

func TestPlugin(t *testing.T) {
	p := Plugin()
	if p.Name != "prometheus" || p.Role != plugin.RoleOutput {
		t.Errorf("name %q, role %v, want an output called prometheus", p.Name, p.Role)
	}
	want := &Config{Path: "/metrics", KeepEnded: plugin.Duration(5 * time.Minute), RenameAttributes: plugin.Renames{}}
	if diff := cmp.Diff(want, p.Config()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if err := p.Config().Validate(); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
}

func TestConfigKeys(t *testing.T) {
	got := Plugin().Config()
	meta, err := toml.Decode(`
path = "/pods"
keep_ended = "90s"
rename_attributes = { name = "pod" }
`, got)
	if err != nil {
		t.Fatal(err)
	}
	if left := meta.Undecoded(); len(left) > 0 {
		t.Errorf("unknown keys %v", left)
	}
	want := &Config{Path: "/pods", KeepEnded: plugin.Duration(90 * time.Second), RenameAttributes: plugin.Renames{"name": "pod"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for _, tt := range []struct {
		name, key, want string
		config          Config
	}{
		{"no path", "path", "absolute path", Config{}},
		{"relative path", "path", "absolute path", Config{Path: "metrics"}},
		{"path that is not clean", "path", "absolute path", Config{Path: "/a/../metrics"}},
		{"path with a wildcard", "path", "absolute path", Config{Path: "/{x}"}},
		{"negative duration", "keep_ended", "0 or more", Config{Path: "/m", KeepEnded: -1}},
		{"empty name", "rename_attributes", "empty name", Config{Path: "/m", RenameAttributes: plugin.Renames{"name": ""}}},
		{"no label name", "rename_attributes", `set "name" = "pod_name"`, Config{Path: "/m", RenameAttributes: plugin.Renames{"name": "pod-name"}}},
		{"reserved name", "rename_attributes", `set "name" = "pod"`, Config{Path: "/m", RenameAttributes: plugin.Renames{"name": "__pod"}}},
		{"name of ours", "rename_attributes", "tells the resource", Config{Path: "/m", RenameAttributes: plugin.Renames{"name": "resource_id"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got *plugin.KeyError
			if err := tt.config.Validate(); !errors.As(err, &got) || got.Key != tt.key || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one about the key %s with %q", err, tt.key, tt.want)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	energy := &measure.Metric{Name: "pod_energy", Unit: measure.Microjoule, Kind: measure.Delta}
	for _, tt := range []struct {
		name, want string
		metrics    []*measure.Metric
		renames    plugin.Renames
	}{
		{"two metrics of one name", `"pod_energy" and "pod_energy_delta" would both be called "podjoule_pod_energy_joules_total"`,
			[]*measure.Metric{energy, {Name: "pod_energy_delta", Unit: measure.Microjoule, Kind: measure.Delta}}, nil},
		{"counter and gauge of one family", `"pod_energy" and "pod_energy_joules" would both`,
			[]*measure.Metric{energy, {Name: "pod_energy_joules", Unit: measure.Microjoule}}, nil},
		{"odd metric name", "Prometheus does not allow", []*measure.Metric{{Name: "pod-energy"}}, nil},
		{"new name that is no label name", `rename_attributes: the attribute "label:app" would be the label "my-app", ` +
			`which Prometheus does not allow: set "label:app" = "my_app"`,
			[]*measure.Metric{{Name: "m", Attributes: []string{"label:app"}}}, plugin.Renames{"label:app": "my-app"}},
		{"two keys that become one label", `rename_attributes: "label:app.name" and "label:app/name" would both be called "label_app_name": give one of them another name`,
			[]*measure.Metric{{Name: "m", Attributes: []string{"label:app.name", "label:app/name"}}}, nil},
		{"key that becomes another's name", `"label:app" and "name" would both be called "label_app"`,
			[]*measure.Metric{{Name: "m", Attributes: []string{"label:app", "name"}}}, plugin.Renames{"name": "label_app"}},
		{"key that becomes a name of ours", `"resource:kind" would be the label "resource_kind", which tells the resource`,
			[]*measure.Metric{{Name: "m", Attributes: []string{"resource:kind"}}}, nil},
		{"two labels of one name", `"name" and "pod" would both be called "pod"`,
			[]*measure.Metric{{Name: "m", Attributes: []string{"name", "pod"}}}, plugin.Renames{"name": "pod"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Plugin().Config().(*Config)
			c.RenameAttributes = tt.renames
			_, err := c.Open(t.Context(), plugintest.NewHost(t, tt.metrics...).Host)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestOpenTakesAMetricThatIsListedTwice(t *testing.T) {
	m := newMetrics()
	openDefault(t, append(m.all(), m.all()...)...)
}

func TestOpenNeedsAListener(t *testing.T) {
	h := plugintest.NewHost(t)
	cause := errors.New("the agent has no listener")
	h.Handle = func(plugin.Page) error { return cause }
	if _, err := Plugin().Config().Open(t.Context(), h.Host); !errors.Is(err, cause) || !strings.Contains(err.Error(), "/metrics") {
		t.Errorf("error %v, want one that names the page and wraps %v", err, cause)
	}
}
