package csv

import (
	"errors"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

func TestPlugin(t *testing.T) {
	p := Plugin()
	if p.Name != "csv" || p.Role != plugin.RoleOutput {
		t.Errorf("name %q, role %v, want an output called csv", p.Name, p.Role)
	}
	if diff := cmp.Diff(&Config{Path: "-", RenameAttributes: plugin.Renames{}}, p.Config()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if err := p.Config().Validate(); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
}

func TestConfigKeys(t *testing.T) {
	got := Plugin().Config()
	meta, err := toml.Decode(`
path = "/data/out.csv"
rename_attributes = { name = "pod" }
`, got)
	if err != nil {
		t.Fatal(err)
	}
	if left := meta.Undecoded(); len(left) > 0 {
		t.Errorf("unknown keys %v", left)
	}
	want := &Config{Path: "/data/out.csv", RenameAttributes: plugin.Renames{"name": "pod"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for _, tt := range []struct {
		name, key string
		config    Config
	}{
		{"empty path", "path", Config{}},
		{"empty name", "rename_attributes", Config{Path: "-", RenameAttributes: plugin.Renames{"name": ""}}},
		{"one name twice", "rename_attributes", Config{Path: "-", RenameAttributes: plugin.Renames{"a": "x", "b": "x"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got *plugin.KeyError
			if err := tt.config.Validate(); !errors.As(err, &got) || got.Key != tt.key {
				t.Errorf("error %v, want one about the key %s", err, tt.key)
			}
		})
	}
}

func TestColumns(t *testing.T) {
	metrics := []*measure.Metric{
		{Name: "a", Attributes: []string{"kind", "name", "uid"}},
		{Name: "b", Attributes: []string{"domain", "name", "odd, name"}},
	}
	fixed := "timestamp,metric,unit,value,resource_kind,resource_id,consumer_kind,consumer_id"
	for _, tt := range []struct {
		name    string
		renames plugin.Renames
		want    string
	}{
		{"as declared", nil, fixed + `,domain,kind,name,"odd, name",uid` + "\n"},
		{"sorted as shown", plugin.Renames{"name": "zone", "uid": "a"}, fixed + `,a,domain,kind,"odd, name",zone` + "\n"},
		{"swapped", plugin.Renames{"name": "uid", "uid": "name", "gone": "x"}, fixed + `,domain,kind,name,"odd, name",uid` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := newColumns(metrics, tt.renames)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, c.header()); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRenamedColumnHoldsItsOwnValues(t *testing.T) {
	m := &measure.Metric{Name: "m", Attributes: []string{"name", "uid"}}
	h := plugintest.NewHost(t, m)
	out := open(t, h, &Config{Path: "-", RenameAttributes: plugin.Renames{"name": "uid", "uid": "id"}})
	var b measure.Batch
	b.Reset(0, tick, tick)
	b.Uint(&measure.Series{Metric: m, Attributes: []measure.Attribute{{Key: "name", Value: "web"}, {Key: "uid", Value: "u1"}}}, 1)
	write(t, out, &b)
	want := "timestamp,metric,unit,value,resource_kind,resource_id,consumer_kind,consumer_id,id,uid\n" +
		"2026-03-01T11:00:05.000000000Z,m,1,1,,,,,u1,web\n"
	if diff := cmp.Diff(want, h.Stdout.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestOpenRefusesColumnsOfOneName(t *testing.T) {
	m := &measure.Metric{Name: "m", Attributes: []string{"name", "uid"}}
	for _, renames := range []plugin.Renames{{"name": "uid"}, {"name": "metric"}} {
		_, err := (&Config{Path: "-", RenameAttributes: renames}).Open(t.Context(), plugintest.NewHost(t, m).Host)
		var got *plugin.KeyError
		if !errors.As(err, &got) || got.Key != "rename_attributes" {
			t.Errorf("%v: error %v, want one about rename_attributes", renames, err)
		}
	}
}
