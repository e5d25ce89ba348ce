package agent

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"

	"github.com/podjoule/podjoule/agent/plugin"
)

// profilePages returns the pages of the runtime's profiles, if they are wanted. They tell
// of the memory of the agent and cost it time, so that they are for this machine only:
// on a listener that others may reach they say so, and nothing else.
func profilePages(wanted bool, l net.Listener) []plugin.Page {
	if !wanted || l == nil {
		return nil
	}
	handlers := map[string]http.HandlerFunc{
		"cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	}
	local := false
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		local = tcp.IP.IsLoopback()
	}
	pages := []plugin.Page{{Path: "/debug/pprof/", Doc: "profiles of the agent, for go tool pprof", Handler: http.HandlerFunc(pprof.Index)}}
	for _, name := range []string{"allocs", "block", "cmdline", "goroutine", "heap", "mutex", "profile", "symbol", "threadcreate", "trace"} {
		h := handlers[name]
		if h == nil {
			h = pprof.Handler(name).ServeHTTP
		}
		pages = append(pages, plugin.Page{Path: "/debug/pprof/" + name, Handler: h})
	}
	for i := range pages {
		if !local {
			pages[i].Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, fmt.Sprintf("Profiles are served on a loopback address only, and the agent listens on %s: "+
					`set listen = "127.0.0.1:9464" in the table [agent].`, l.Addr()), http.StatusForbidden)
			})
		}
	}
	return pages
}
