package token_test

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/token"
)

type document struct {
	TokenRetrieval token.Config `toml:"token_retrieval"`
}

func TestConfig(t *testing.T) {
	tests := []struct {
		toml string
		want token.Config
		text string
	}{
		{`token_retrieval = "auto"`, token.Config{}, `"auto"`},
		{`token_retrieval = "file"`, token.Config{Strategy: token.File}, `"file"`},
		{`token_retrieval = "kubectl"`, token.Config{Strategy: token.Kubectl}, `"kubectl"`},
		{`token_retrieval.file = "/path/to/token"`, token.Config{Strategy: token.File, File: "/path/to/token"},
			`{ file = "/path/to/token" }`},
		{`token_retrieval = { file = "/with \"quotes\" and \\" }`,
			token.Config{Strategy: token.File, File: `/with "quotes" and \`}, `{ file = "/with \"quotes\" and \\" }`},
		{"[token_retrieval]\nfile = '/t'", token.Config{Strategy: token.File, File: "/t"}, `{ file = "/t" }`},
		{`token_retrieval.kubectl = { service_account = "reader", namespace = "energy" }`,
			token.Config{Strategy: token.Kubectl, ServiceAccount: "reader", Namespace: "energy"},
			`{ kubectl = { service_account = "reader", namespace = "energy" } }`},
		{"token_retrieval.kubectl = {\n    service_account = \"alumet-reader\",\n    namespace = \"alumet\"\n}",
			token.Config{Strategy: token.Kubectl, ServiceAccount: "alumet-reader", Namespace: "alumet"},
			`{ kubectl = { service_account = "alumet-reader", namespace = "alumet" } }`},
		{`token_retrieval.kubectl = { service_account = "reader.v2" }`,
			token.Config{Strategy: token.Kubectl, ServiceAccount: "reader.v2"}, `{ kubectl = { service_account = "reader.v2" } }`},
		{`token_retrieval.kubectl = { namespace = "energy" }`,
			token.Config{Strategy: token.Kubectl, Namespace: "energy"}, `{ kubectl = { namespace = "energy" } }`},
		{`token_retrieval.kubectl = {}`, token.Config{Strategy: token.Kubectl}, `"kubectl"`},
		{``, token.Config{}, `"auto"`},
	}
	for _, tt := range tests {
		var got document
		meta, err := toml.Decode(tt.toml, &got)
		if err != nil {
			t.Errorf("%s: %v", tt.toml, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got.TokenRetrieval); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.toml, diff)
		}
		if left := meta.Undecoded(); len(left) > 0 {
			t.Errorf("%s: left over: %v", tt.toml, left)
		}
		if got := got.TokenRetrieval.String(); got != tt.text {
			t.Errorf("%s: text is %s, want %s", tt.toml, got, tt.text)
		}
	}
}

// The host decodes into the defaults of the plugin: what was there goes.
func TestConfigReplacesDefaults(t *testing.T) {
	got := document{token.Config{Strategy: token.Kubectl, ServiceAccount: "a", Namespace: "b"}}
	if _, err := toml.Decode(`token_retrieval.file = "/t"`, &got); err != nil {
		t.Fatal(err)
	}
	want := token.Config{Strategy: token.File, File: "/t"}
	if got.TokenRetrieval != want {
		t.Errorf("got %+v, want %+v", got.TokenRetrieval, want)
	}
}

func TestConfigErrors(t *testing.T) {
	const accepted = `want "auto", "file", "kubectl", { file = `
	long := strings.Repeat("x", 40)
	tests := []struct {
		toml string
		want string
	}{
		{`token_retrieval = "kubctl"`, `unknown strategy "kubctl", did you mean "kubectl"?`},
		{`token_retrieval = "Flie"`, `unknown strategy "Flie", did you mean "file"?`},
		{`token_retrieval = "certificate"`, `unknown strategy "certificate"; want`},
		{`token_retrieval = ""`, `unknown strategy ""; want`},
		{`token_retrieval = "/var/token"`, `did you mean token_retrieval.file?`},
		{`token_retrieval = 5`, `have an integer`},
		{`token_retrieval = 5.5`, `have a float`},
		{`token_retrieval = true`, `have a boolean`},
		{`token_retrieval = 2026-01-01`, `have a date`},
		{`token_retrieval = ["file"]`, `have an array`},
		{"[[token_retrieval]]\nfile = '/t'", `have an array`},
		{`token_retrieval = {}`, `the table is empty`},
		{`token_retrieval.fiel = "/t"`, `unknown key "fiel", did you mean "file"?`},
		{`token_retrieval = { file = "/t", kubectl = {} }`, `file and kubectl are both set`},
		{`token_retrieval.file = ""`, `file: the path is empty`},
		{`token_retrieval.file = "  "`, `file: the path is empty`},
		{`token_retrieval.file = "/a\u0000b"`, `file: the path holds a control character`},
		{`token_retrieval.file = "eyJhbGciOiJub25lIn0.` + long + `.c2ln"`, `file: have what looks like a token`},
		{`token_retrieval.file = true`, `file: want a path in quotes, have a boolean`},
		{`token_retrieval.file = {}`, `file: want a path in quotes, have a table`},
		{`token_retrieval.kubectl = "reader"`, `kubectl: want a table, have a string`},
		{`token_retrieval.kubectl = true`, `kubectl: want a table, have a boolean`},
		{`token_retrieval.kubectl = { serviceaccount = "r" }`,
			`kubectl: unknown key "serviceaccount", did you mean "service_account"?`},
		{`token_retrieval.kubectl = { service_account = 1 }`, `kubectl.service_account: want a name in quotes, have an integer`},
		{`token_retrieval.kubectl = { namespace = ["n"] }`, `kubectl.namespace: want a name in quotes, have an array`},
		{`token_retrieval.kubectl = { namespace = "" }`, `kubectl.namespace: the name is empty`},
		{`token_retrieval.kubectl = { service_account = "--kubeconfig=/x" }`, `kubectl.service_account: not the name`},
		{`token_retrieval.kubectl = { namespace = "Energy" }`, `kubectl.namespace: not the name`},
		{`token_retrieval.kubectl = { namespace = "` + strings.Repeat("n", 254) + `" }`, `kubectl.namespace: not the name`},
		{`token_retrieval = "` + long + `"`, `unknown strategy of 40 bytes`},
		{`token_retrieval.` + long + ` = "x"`, `unknown key of 40 bytes`},
	}
	for _, tt := range tests {
		before := token.Config{Strategy: token.Kubectl, Namespace: "kept"}
		got := document{before}
		_, err := toml.Decode(tt.toml, &got)
		if err == nil {
			t.Errorf("%s: no error, have %v", tt.toml, got)
			continue
		}
		for _, want := range []string{tt.want, accepted, "token_retrieval"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant in it: %s", tt.toml, err, want)
			}
		}
		if strings.Contains(err.Error(), long) {
			t.Errorf("%s: what may be a token is printed: %v", tt.toml, err)
		}
		if got.TokenRetrieval != before {
			t.Errorf("%s: changed to %v", tt.toml, got.TokenRetrieval)
		}
	}
}

// Whatever decodes is written such that it decodes to the same again.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		`"auto"`, `"file"`, `"kubectl"`, `{ file = "/path" }`, `{ file = "\u00e9\"\\ \U0001F600" }`,
		`{ kubectl = { service_account = "a", namespace = "b" } }`, `{ kubectl = {} }`, `{}`, `7`, `[1]`, `[{}]`,
		`{ file = "a", kubectl = 1 }`, `{ kubectl = { service_account = "-x" } }`, "1\nx = 2", `1979-05-27`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var first, second document
		if _, err := toml.Decode("token_retrieval = "+value, &first); err != nil {
			if first != second {
				t.Fatalf("%q: changed in spite of %v", value, err)
			}
			return
		}
		text, err := toml.Marshal(first)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		if _, err := toml.Decode(string(text), &second); err != nil {
			t.Fatalf("%q was written as %s: %v", value, text, err)
		}
		if first != second {
			t.Errorf("%q: have %+v, and after writing and reading %+v", value, first, second)
		}
	})
}
