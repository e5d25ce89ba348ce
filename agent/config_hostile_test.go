package agent

import (
	"fmt"
	"strings"
	"testing"
)

func TestHostileText(t *testing.T) {
	valid := "[plugins.k8s]\n"
	for _, tc := range []struct {
		name, text string
		want       string // in the error; "" where it loads
	}{
		{"empty", "", "no source is enabled"},
		{"not UTF-8", valid + "node = \"\xff\"", "config.toml:2: the text is not UTF-8"},
		{"UTF-16", "\xff\xfe[\x00a\x00]\x00", "config.toml:1: the text is not UTF-8"},
		{"NUL", valid + "node = \"a\x00b\"", "config.toml:2: plugins.k8s.node: TOML files cannot contain control characters"},
		{"NUL first", "\x00", "config.toml:1: "},
		{"10 MB", strings.Repeat("# log\n", 10<<20/6), "is it the right file?"},
		{"1 MB of comments", valid + strings.Repeat("# log\n", 170000), ""},
		{"deep arrays", valid + "metrics = " + strings.Repeat("[", 500000), "config.toml:2: keys or values are nested more than 64 deep"},
		{"deep tables", valid + "x = " + strings.Repeat("{a=", 300000), "nested more than 64 deep"},
		{"deep keys", valid + strings.Repeat("a.", 500000) + "a = 1", "nested more than 64 deep"},
		{"deep headers", "[" + strings.Repeat("a.", 500000) + "a]", "nested more than 64 deep"},
		{"brackets in strings and comments", valid + "node = \"" + strings.Repeat("[\\\"", 100) + "\" # " + strings.Repeat("{", 100) + "\nmetrics = ['" + strings.Repeat("[", 100) + "']\npassword = \"\"\"" + strings.Repeat("[\"\"\n", 100) + "\"\"\"", ""},
		{"many numbers", valid + "x = [" + strings.Repeat("1.5, ", 1000) + "]", "plugins.k8s.x: unknown key"},
		{"wrong all over", valid + manyKeys(5000), "4980 more errors"},
		{"a table of commas", valid + "x = { a = 1" + strings.Repeat(" a = 1", 100000) + " }", "separated by commas"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load("config.toml", []byte(tc.text), testOptions())
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("got error %.200v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got error %.2000v, want %q", err, tc.want)
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d=1\n", i)
	}
	return b.String()
}

func TestNoSecretInErrors(t *testing.T) {
	for _, text := range []string{
		"password = hunter2",
		"password = \"hunter2",
		"x = { password = \"hunter2\" user = \"me\" }",
		"x.headers = { \"X-Team\" = \"hunter2\" b = \"c\" }",
		"password = 3\nnode = hunter2 # not a secret, so it is told",
	} {
		_, err := Load("config.toml", []byte("[plugins.k8s]\n"+text), testOptions())
		if err == nil {
			t.Errorf("%s: want an error", text)
		} else if strings.Contains(err.Error(), "hunter") && !strings.Contains(text, "not a secret") {
			t.Errorf("%s: the error tells the secret: %v", text, err)
		}
	}
}
