package agent

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
)

// probes answers /healthz and /readyz from what the loop has noted: a probe
// never measures and never asks a plugin.
type probes struct {
	loop    *loop
	members []*member
}

func (p *probes) pages() []plugin.Page {
	return []plugin.Page{
		{Path: "/healthz", Doc: "200 while the agent ticks", Handler: http.HandlerFunc(p.healthz)},
		{Path: "/readyz", Doc: "the state of every plugin, as JSON", Handler: http.HandlerFunc(p.readyz)},
	}
}

// healthz is 200 while the loop ticks, whatever the plugins and the servers
// that they talk to do: to start the agent again would mend none of them.
func (p *probes) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !p.loop.alive(time.Now()) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("the loop has not ticked for too long\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

type readiness struct {
	Status  string         `json:"status"`
	Plugins []pluginStatus `json:"plugins"`
}

type pluginStatus struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	State string `json:"state"`
	Since string `json:"since"`
	Error string `json:"error,omitempty"`
}

// readyz is 503 until the first tick is done and 200 from then on, also with
// plugins that fail: to unschedule the agent would mend nothing, and it goes on
// measuring what it can.
func (p *probes) readyz(w http.ResponseWriter, _ *http.Request) {
	answer := readiness{Status: "starting", Plugins: []pluginStatus{}}
	code := http.StatusServiceUnavailable
	failing := false
	for _, m := range p.members {
		text, since := m.state()
		status := pluginStatus{Name: m.name, Role: m.role.String(), State: "ok", Since: since.UTC().Format(time.RFC3339), Error: text}
		if text != "" {
			status.State, failing = "failing", true
		}
		answer.Plugins = append(answer.Plugins, status)
	}
	if p.loop.started() {
		answer.Status, code = "ok", http.StatusOK
		if failing {
			answer.Status = "degraded"
		}
	}
	body, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}
