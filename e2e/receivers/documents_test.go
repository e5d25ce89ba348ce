//go:build receivers

package receivers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A Prometheus takes every query that stands in a document, those of other agents' metrics
// too, and says nothing against any.
func TestQueriesOfDocuments(t *testing.T) {
	t.Parallel()
	s := startPrometheus(t)
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile("(?ms)^```promql\n(.*?)^```\n").FindAllStringSubmatch(string(text), -1) {
			for _, query := range strings.Split(strings.TrimSpace(found[1]), "\n\n") {
				s.query(t, time.Now(), "%s", query)
				asked++
			}
		}
	}
	if asked < 8 {
		t.Errorf("the documents have %d queries", asked)
	}
}

// A Prometheus takes no deltas, and what podjoule says then is what docs/troubleshooting.md quotes.
func TestPrometheusTakesNoDeltas(t *testing.T) {
	t.Parallel()
	s, n := startPrometheus(t), newNode(t, "node-1")
	n.bear("web")
	a := startAgent(t, n, "[plugins.otlp]\nprotocol = \"http/protobuf\"\nendpoint = \""+s.url+"/api/v1/otlp\"\ntemporality = \"delta\"")
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("(?m)^export to .*temporality.*$").FindString(string(text))
	if quoted == "" {
		t.Fatal("docs/troubleshooting.md quotes nothing of deltas")
	}
	want := regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(quoted), "…", ".*"))
	said := ""
	defer func() {
		if t.Failed() {
			t.Logf("want %s in\n%s", quoted, said)
		}
	}()
	eventually(t, "podjoule says what Prometheus says of deltas", func() bool {
		said = strings.NewReplacer(`\"`, `"`, `\n`, " ").Replace(get(t, "http://"+a.address+"/readyz"))
		return want.MatchString(said)
	})
}
