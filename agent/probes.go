package agent

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
)

// probes answers /healthz and /readyz from what the loop has noted: a probe
// never measures and never asks a plugin.
type probes struct {
	version string
	loop    *loop
	crew    *crew
	srv     *server
	reload  *reloader
}

func (p *probes) pages() []plugin.Page {
	return []plugin.Page{
		{Path: "/", Doc: "this page", Handler: newLanding(p)},
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

// reloadPage takes the configuration anew. Pages of other sites cannot ask for it.
func (p *probes) reloadPage() plugin.Page {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "want POST", http.StatusMethodNotAllowed)
			return
		}
		switch err := p.reload.ask(r.Context()); {
		case errors.Is(err, errOver):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			_, _ = w.Write([]byte("ok\n"))
		}
	})
	return plugin.Page{Path: "/-/reload", Handler: http.NewCrossOriginProtection().Handler(handler)}
}

type readiness struct {
	Status   string         `json:"status"`
	LastTick string         `json:"last_tick,omitempty"`
	Plugins  []pluginStatus `json:"plugins"`
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
	answer, code := p.readiness()
	body, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}

// readiness returns how the agent and its plugins fare, and the status that says so.
func (p *probes) readiness() (readiness, int) {
	answer := readiness{Status: "starting", Plugins: []pluginStatus{}}
	code := http.StatusServiceUnavailable
	failing := false
	for _, m := range p.crew.members() {
		text, since := m.state()
		status := pluginStatus{Name: m.name, Role: m.role.String(), State: "ok", Since: since.UTC().Format(time.RFC3339), Error: text}
		if text != "" {
			status.State, failing = "failing", true
		}
		answer.Plugins = append(answer.Plugins, status)
	}
	if at := p.loop.lastTick(); !at.IsZero() {
		answer.Status, code = "ok", http.StatusOK
		if failing {
			answer.Status = "degraded"
		}
		answer.LastTick = at.UTC().Format(time.RFC3339Nano)
	}
	return answer, code
}
