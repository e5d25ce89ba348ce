package helm

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// What is wrong is refused before anything is applied, by a message that names the key
// and what is wanted there.
func TestWrongValues(t *testing.T) {
	tests := []struct {
		name, values string
		told         []string
	}{
		{"a key that nobody knows", "imagee: {tag: v1}", []string{"'imagee' not allowed"}},
		{"a key that nobody knows, below", "image: {repo: podjoule}", []string{"/image", "'repo' not allowed"}},
		{"a way to energy that is none", "energy: {access: privileged}", []string{"/energy/access", "'none', 'udev', 'root', 'perf'"}},
		{"a discovery that is none", "discovery: informer", []string{"/discovery", "'watch', 'poll', 'kubelet'"}},
		{"text for a switch", `rbac: {create: "yes"}`, []string{"/rbac/create", "got string, want boolean"}},
		{"a number for a tag", "image: {tag: 1.0}", []string{"/image/tag", "got number, want string"}},
		{"a digest without its kind", "image: {digest: 0123456789abcdef}", []string{"/image/digest", "sha256:"}},
		{"a tag in the repository", "image: {repository: 'podjoule dev'}", []string{"/image/repository", "does not match pattern"}},
		{"a token that is too short-lived", "serviceAccount: {tokenExpirationSeconds: 60}", []string{"/serviceAccount/tokenExpirationSeconds", "want 600"}},
		{"the group of root", "energy: {udevGroup: 0}", []string{"/energy/udevGroup", "want 1"}},
		{"a queue elsewhere", "queue: {enabled: true, type: persistentVolumeClaim}", []string{"/queue/type", "'emptyDir', 'hostPath'"}},
		{"a relative folder", "queue: {hostPath: queue}", []string{"/queue/hostPath", "does not match pattern"}},
		{"a size in words", "queue: {size: large}", []string{"/queue/size", "does not match pattern"}},
		{"a map for a list", "tolerations: {operator: Exists}", []string{"/tolerations", "got object, want array"}},
		{"a plugin that nobody knows", "config: {plugins: {prometeus: {}}}", []string{"/config/plugins", "'prometeus' not allowed"}},
		{"a plugin's key that nobody knows", "config: {plugins: {k8s: {pol_interval: 1s}}}", []string{"/config/plugins/k8s", "'pol_interval' not allowed"}},
		{"a plugin's value of another type", "config: {plugins: {k8s: {containers: 1}}}", []string{"/config/plugins/k8s/containers", "got number, want boolean"}},
		{"configuration as text", "config: '[plugins.k8s]'", []string{"/config", "got string, want object"}},
		{"a port that is none", "networkPolicy: {apiServerPorts: [66000]}", []string{"/networkPolicy/apiServerPorts/0", "want 65,535"}},
		{"nobody may scrape", "networkPolicy: {from: []}", []string{"/networkPolicy/from", "minItems"}},

		// What the templates refuse.
		{"a folder that the chart mounts", "config: {agent: {sysfs_root: /sys}}", []string{"config.agent.sysfs_root: leave it out"}},
		{"another port", "config: {agent: {listen: ':80'}}", []string{"config.agent.listen: leave it out"}},
		{"a file that the chart mounts", "config: {agent: {web_config_file: /web.yml}}", []string{"config.agent.web_config_file", "set web.secret"}},
		{"one node for all", "config: {plugins: {k8s: {k8s_node: node-1}}}", []string{"config.plugins.k8s.k8s_node: leave it out"}},
		{"a discovery without its rights", "config: {plugins: {k8s: {pod_discovery: kubelet}}}", []string{"config.plugins.k8s.pod_discovery", "set discovery"}},
		{"a queue for nobody", "queue: {enabled: true}", []string{"queue.enabled", "config.plugins.otlp"}},
		{"each agent twice", "podMonitor: {enabled: true}\nserviceMonitor: {enabled: true}", []string{"set one of both"}},
		{"nothing to scrape", "podMonitor: {enabled: true}\nconfig: {plugins: {prometheus: null}}", []string{"podMonitor.enabled", "config.plugins.prometheus"}},
		{"TLS without certificates", "web: {scheme: https}", []string{"web.scheme", "set web.secret"}},
		{"pods of somebody else", "podLabels: {app.kubernetes.io/name: other}", []string{"podLabels: leave app.kubernetes.io/name out"}},
		{"a digest by hand", "podAnnotations: {checksum/config: x}", []string{"podAnnotations: leave checksum/config out"}},
		{"rights for every pod", "serviceAccount: {create: false}", []string{"serviceAccount.name", "rbac.create"}},
	}
	c := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.Render(as(), values(t, tt.values))
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, part := range tt.told {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("it does not say %q: %v", part, err)
				}
			}
		})
	}
}

// Every value has a place in the schema with a title, and the other way round.
func TestSchemaKnowsEveryValue(t *testing.T) {
	var schema property
	if err := json.Unmarshal([]byte(read(t, folder, "values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for key, p := range schema.leaves("") {
		if p.Title == "" {
			t.Errorf("%s has no title in the schema", key)
		}
		known[key] = true
	}
	delete(known, "global") // Helm's own
	delete(known, "resources.claims")
	all := map[string]bool{}
	for _, key := range keysOf(&schema, values(t, read(t, folder, "values.yaml")), "") {
		all[key] = true
	}
	want(t, "values, in the schema and in values.yaml", slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(all)))
}

// leaves are the properties that have none of their own, by their keys.
func (p *property) leaves(prefix string) map[string]*property {
	all := make(map[string]*property)
	for name, child := range p.Properties {
		if len(child.Properties) == 0 {
			all[prefix+name] = child
		}
		maps.Copy(all, child.leaves(prefix+name+"."))
	}
	return all
}

// keysOf are the keys of values as deep as the schema knows them.
func keysOf(p *property, v map[string]any, prefix string) []string {
	var all []string
	for name, value := range v {
		below, is := value.(map[string]any)
		if child := p.Properties[name]; is && child != nil && len(child.Properties) > 0 {
			all = append(all, keysOf(child, below, prefix+name+".")...)
		} else {
			all = append(all, prefix+name)
		}
	}
	return all
}

// The schema has every table and every key of config.toml.example, which has all that
// there are. With -update it is written so.
func TestSchemaKnowsTheConfiguration(t *testing.T) {
	var example map[string]map[string]any
	if _, err := toml.Decode(read(t, "..", "..", "config.toml.example"), &example); err != nil {
		t.Fatal(err)
	}
	plugins := map[string]any{}
	for name, keys := range example["plugins"] {
		table := keys.(map[string]any)
		table["enable"] = true // of every plugin
		plugins[name] = closed(table)
	}
	file := filepath.Join(folder, "values.schema.json")
	old := read(t, file)
	var schema map[string]any
	if err := json.Unmarshal([]byte(old), &schema); err != nil {
		t.Fatal(err)
	}
	schema["definitions"] = map[string]any{
		"agent":   closed(example["agent"]),
		"plugins": map[string]any{"type": "object", "additionalProperties": false, "properties": plugins},
	}
	var fresh bytes.Buffer
	encoder := json.NewEncoder(&fresh)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, fresh.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if fresh.String() != old {
		t.Error("values.schema.json is stale, or not in order: run go test . -update in deploy/helm")
	}
}

// closed is the schema of a table that has these keys and no others.
func closed(table map[string]any) map[string]any {
	properties := make(map[string]any)
	for key, value := range table {
		types := map[string]string{}
		switch value.(type) {
		case bool:
			types["type"] = "boolean"
		case int64:
			types["type"] = "integer"
		case float64:
			types["type"] = "number"
		case []any:
			types["type"] = "array"
		case map[string]any:
			types["type"] = "object"
		case string:
			types["type"] = "string"
		}
		if key == "token_retrieval" { // text, or a table
			delete(types, "type")
		}
		properties[key] = types
	}
	return map[string]any{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
}
