package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
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
	config   string       // the file that says how to serve; see checkWebConfig
	http     *http.Server
	served   chan struct{} // closed when http no longer accepts
	host     []page        // the host's own
	shown    atomic.Pointer[pageSet]
}

// listen takes the address. The server answers once serve is called.
func listen(ctx context.Context, s Settings) (*server, error) {
	srv := &server{config: s.WebConfigFile}
	if s.Listen == "" {
		return srv, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf(`agent.listen = %q: %w; choose another address for listen in the table [agent], or "" for none`, s.Listen, err)
	}
	srv.listener = l
	return srv, nil
}

// own adds the host's own pages. It comes before the plugins' pages.
func (s *server) own(pages ...plugin.Page) {
	for _, p := range pages {
		s.host = append(s.host, page{p, "the agent"})
	}
}

// newPages returns a set of the host's pages and those of plugins that are open already.
func (s *server) newPages(kept []page) *pageSet {
	return &pageSet{listening: s.listener != nil, pages: slices.Concat(s.host, kept)}
}

// show serves a set of pages in place of the one before. Nothing can be added to it then.
func (s *server) show(p *pageSet) {
	p.seal()
	s.shown.Store(p)
}

// ServeHTTP serves the pages.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.shown.Load().find(r.URL.Path); ok {
		p.Handler.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// serve answers requests until shutdown.
func (s *server) serve(log *slog.Logger) error {
	if s.listener == nil {
		return nil
	}
	if err := checkWebConfig(s.config); err != nil {
		return err
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.answer(log); !errors.Is(err, http.ErrServerClosed) {
			log.Error("listener ended", "err", err)
		}
	}()
	return nil
}

// answer serves as the web configuration says, which is read again for each connection
// and each request.
func (s *server) answer(log *slog.Logger) error {
	if s.config == "" {
		return s.http.Serve(s.listener)
	}
	return web.Serve(s.listener, s.http, &web.FlagConfig{WebConfigFile: &s.config}, log)
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
