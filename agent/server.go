package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/podjoule/podjoule/agent/plugin"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	// goodbye is how long requests may go on once the agent is to stop.
	goodbye = 2 * time.Second
)

// server is the HTTP listener and its pages. Paths match exactly.
type server struct {
	listener net.Listener // nil without one
	http     *http.Server
	served   chan struct{} // closed when http no longer accepts

	mu     sync.Mutex
	sealed bool // pages can no longer be added
	pages  []page
}

type page struct {
	plugin.Page
	owner string
}

// listen takes the address. The server answers once serve is called.
func listen(ctx context.Context, address string) (*server, error) {
	s := new(server)
	if address == "" {
		return s, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf(`agent.listen = %q: %w; choose another address for listen in the table [agent], or "" for none`, address, err)
	}
	s.listener = l
	s.own(plugin.Page{Path: "/", Doc: "this page"})
	return s, nil
}

// add adds the page of a plugin.
func (s *server) add(owner string, p plugin.Page) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.listener == nil:
		return fmt.Errorf(`there is no listener for the page %s: set listen in the table [agent], for example to ":9464"`, p.Path)
	case s.sealed:
		return fmt.Errorf("the page %s comes too late: pages are added while the plugin is opened", p.Path)
	case !strings.HasPrefix(p.Path, "/") || path.Clean(p.Path) != p.Path || strings.ContainsAny(p.Path, "?#% \t\r\n\"<>"):
		return fmt.Errorf(`want a plain absolute path such as "/metrics", have %q`, p.Path)
	case p.Handler == nil:
		return fmt.Errorf("the page %s has no handler", p.Path)
	}
	if other, taken := s.find(p.Path); taken {
		return fmt.Errorf("the path %s is taken by %s: choose another one", p.Path, other.owner)
	}
	s.pages = append(s.pages, page{p, owner})
	return nil
}

func (s *server) find(path string) (page, bool) {
	for _, p := range s.pages {
		if p.Path == path {
			return p, true
		}
	}
	return page{}, false
}

// own adds the host's own pages. It comes before the plugins' pages.
func (s *server) own(pages ...plugin.Page) {
	for _, p := range pages {
		s.pages = append(s.pages, page{p, "the agent"})
	}
}

// serve answers requests until shutdown. Pages can no longer be added.
func (s *server) serve(version string, log *slog.Logger) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
	if s.listener == nil {
		return nil
	}
	links := make([]web.LandingLinks, 0, len(s.pages))
	for _, p := range s.pages {
		if p.Path != "/" {
			links = append(links, web.LandingLinks{Address: p.Path, Text: p.Path, Description: p.Doc})
		}
	}
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name: "podjoule", Description: "CPU time, memory and energy of every pod on this node",
		Version: version, Links: links, Profiling: "false",
	})
	if err != nil {
		return fmt.Errorf("make the landing page: %w", err)
	}
	handlers := map[string]http.Handler{"/": landing}
	for _, p := range s.pages {
		if p.Path != "/" {
			handlers[p.Path] = p.Handler
		}
	}
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h, ok := handlers[r.URL.Path]; ok {
				h.ServeHTTP(w, r)
				return
			}
			http.NotFound(w, r)
		}),
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("listener ended", "err", err)
		}
	}()
	return nil
}

// release gives the address back. It is fine after shutdown, too.
func (s *server) release() error {
	if s.listener == nil {
		return nil
	}
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the listener: %w", err)
	}
	return nil
}

// shutdown ends what serve began: requests under way get a moment to end.
func (s *server) shutdown() error {
	if s.http == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("shut down the listener: %w", err), s.http.Close())
	}
	<-s.served
	return err
}
