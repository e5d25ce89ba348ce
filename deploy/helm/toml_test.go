package helm

import (
	"strings"
	"testing"
	"unicode"

	"github.com/BurntSushi/toml"
)

// What stands in the values stands in the file: whole numbers are whole, text is the same
// text, tables in lists are tables. Helm's own toToml makes floats of whole numbers.
func TestConfigurationIsWhatTheValuesSay(t *testing.T) {
	const text = `
config:
  agent: {log_level: debug, pprof: false}
  plugins:
    attribution: {idle_watts: {package: 12.5, "my domain": 3}, policies: [separate, by_usage]}
    estimate: {idle_watts_per_thread: 0.5, compare: true}
    hwmon: {meters: [{chip: ina3221, label: 'A "B" <C> & \ D', socket: 0}]}
    otlp:
      headers: {authorization: "Bearer ${TOKEN}", x: "tab\there\nand ü 😀"}
      queue_bytes: 9007199254740991
    k8s:
      token_retrieval: {kubectl: {service_account: a, namespace: b}}
      attributes: ["label:app.kubernetes.io/name"]
      max_series: 0
      metrics: []
`
	c := configOf(t, release(t, load(t), values(t, text)))
	plugins := c["plugins"].(map[string]any)
	want(t, "agent", map[string]any{"log_level": "debug", "pprof": false, "sysfs_root": "/host/sys"}, c["agent"])
	want(t, "attribution", map[string]any{
		"idle_watts": map[string]any{"package": 12.5, "my domain": int64(3)}, "policies": []any{"separate", "by_usage"},
	}, plugins["attribution"])
	want(t, "estimate", map[string]any{"idle_watts_per_thread": 0.5, "compare": true}, plugins["estimate"])
	want(t, "hwmon", map[string]any{"meters": []any{
		map[string]any{"chip": "ina3221", "label": `A "B" <C> & \ D`, "socket": int64(0)},
	}}, normal(plugins["hwmon"]))
	want(t, "otlp", map[string]any{
		"headers": map[string]any{"authorization": "Bearer ${TOKEN}", "x": "tab\there\nand ü 😀"}, "queue_bytes": int64(9007199254740991),
	}, plugins["otlp"])
	want(t, "k8s", map[string]any{
		"k8s_node": "${NODE_NAME}", "k8s_api_url": "https://kubernetes.default.svc:443", "poll_interval": "5s",
		"token_retrieval": map[string]any{"kubectl": map[string]any{"service_account": "a", "namespace": "b"}},
		"attributes":      []any{"label:app.kubernetes.io/name"}, "max_series": int64(0), "metrics": []any{},
	}, plugins["k8s"])
}

// normal has lists of tables as lists of anything.
func normal(table any) any {
	all := table.(map[string]any)
	if tables, are := all["meters"].([]map[string]any); are {
		var list []any
		for _, one := range tables {
			list = append(list, one)
		}
		all["meters"] = list
	}
	return all
}

// Whatever text a value has, the file is TOML and has the same text.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "a", `"""`, "'''", "${X}", "\u2028", "\\u0000", "{{ .Values }}", "# no comment", "\x7f"} {
		f.Add(seed, seed)
	}
	c, err := Load(folder)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key, text string) {
		if key = strings.ToValidUTF8(key, "?"); key == "" {
			key = "x"
		}
		text = strings.ToValidUTF8(text, "?")
		if strings.ContainsFunc(key+text, func(r rune) bool { return r >= 0x80 && unicode.IsControl(r) || r&0xfffe == 0xfffe || r == 0xfeff }) {
			t.Skip("helm refuses what YAML cannot hold")
		}
		r, err := c.Render(as(), Values(map[string]any{"config": map[string]any{"plugins": map[string]any{
			"otlp": map[string]any{"headers": map[string]any{key: text}},
		}}}))
		if err != nil {
			t.Fatal(err)
		}
		o, err := typed(r.Objects)
		if err != nil {
			t.Fatal(err)
		}
		var config struct {
			Plugins struct {
				OTLP struct{ Headers map[string]string }
			}
		}
		if _, err := toml.Decode(o.Config.Data["config.toml"], &config); err != nil {
			t.Fatalf("%v\n%s", err, o.Config.Data["config.toml"])
		}
		want(t, "headers", map[string]string{key: text}, config.Plugins.OTLP.Headers)
	})
}
