package agent

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
)

//go:embed landing.html
var landingText string

// landing is the page for people: where to go, and how the agent fares.
type landing struct {
	*probes
	page *template.Template
}

func newLanding(p *probes) *landing {
	return &landing{probes: p, page: template.Must(template.New("landing").Parse(landingText))}
}

// ServeHTTP serves the page.
func (l *landing) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	answer, _ := l.readiness()
	var links []plugin.Page
	for _, p := range l.srv.shown.Load().pages {
		if p.Doc != "" && p.Path != "/" {
			links = append(links, p.Page)
		}
	}
	last := "not yet"
	if at := l.loop.lastTick(); !at.IsZero() {
		last = fmt.Sprintf("%s, %v ago", at.UTC().Format(time.RFC3339), time.Since(at).Round(time.Millisecond))
	}
	var b bytes.Buffer
	err := l.page.Execute(&b, map[string]any{"Version": l.version, "Readiness": answer, "Links": links, "LastTick": last})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = w.Write(b.Bytes())
}
