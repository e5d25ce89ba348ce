// Package agent is the host: it reads the configuration, opens the plugins,
// calls them in ticks, runs their goroutines, serves their pages, tells how
// they and it fare, and ends all of it in order. It knows no plugin by name.
//
//	sources ─▶ batch ─▶ transforms ─▶ outputs      one goroutine, one tick
//	                                     │ queue
//	                                     ▼
//	                                    Run        one goroutine a plugin
//
// # Ticks
//
// Sources of one poll interval form a group. Every group ticks at multiples of
// its interval, counted from the start of the agent, so that a source of 1 s
// and one of 5 s meet at every fifth tick. Multiples that have passed when a
// tick is done are skipped and counted; the next window is longer by that much,
// and nothing is measured twice.
//
// Ticks and windows go by the monotonic clock. A wall clock that is set moves the
// windows that follow, and changes the length of none. While the machine is suspended
// the monotonic clock stands still: no tick is late then, and no window has that time.
//
// # Failure
//
// What a source added before its error is kept. A transform's error drops the
// batch, but the series that ended in it are told to the outputs with the next
// one. An output's error is its own. Every failure is counted; a change is
// logged.
//
// A panic in a plugin is recovered, and then is an error like any other: a bug
// in an exporter must not end the measuring, and what a crash would throw away
// is shared by all, namely the baselines of every counter.
//
// # Shutdown
//
// When the context ends, the loop stops and ticks once more, so that the last
// window is delivered. Only then are the Runs asked to end, and awaited. The
// listener, the plugins in reverse order and the agent's own metrics follow.
// Every step has a limit, all together below the 30 s that a pod gets; what did
// not come back is named in the error.
package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/podjoule/podjoule/agent/plugin"
)

// RunOptions are what an agent runs with.
type RunOptions struct {
	// Version is the version of the agent.
	Version string
	// Log takes the log; nil drops it. See NewLogger.
	Log *slog.Logger
	// Stdout is the standard output for plugins; nil drops what they write.
	Stdout io.Writer
	// Listening, where set, is told the address of the listener once it
	// answers. It is not called without a listener.
	Listening func(net.Addr)
	// Level is the level of Log, if it may be changed.
	Level *slog.LevelVar
	// Load reads the configuration once more; nil means that it stays as it is.
	Load func() (*Config, error)
	// Reload asks for that with each value. See also Settings.WebReload.
	Reload <-chan os.Signal
}

// Run runs the agent until the context ends, and then ends it in order. It
// returns an error when the agent could not start, or when its end lost
// something; the end of the context is none.
func Run(ctx context.Context, cfg *Config, opts RunOptions) (err error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Stdout == nil {
		opts.Stdout = io.Discard
	}
	if err := cfg.check(); err != nil {
		return err
	}
	var undo teardown
	defer func() { err = errors.Join(err, undo.run()) }()

	own, err := newTelemetry(ctx, opts.Version)
	if err != nil {
		return err
	}
	undo.add(func() error { return own.shutdown(context.WithoutCancel(ctx)) })
	srv, err := listen(ctx, cfg.Agent)
	if err != nil {
		return err
	}
	undo.add(srv.release)
	crew := new(crew)
	health := &probes{crew: crew, version: opts.Version, srv: srv}
	srv.own(health.pages()...)
	srv.own(profilePages(cfg.Agent.Pprof, srv.listener)...)
	if cfg.Agent.WebReload {
		srv.own(health.reloadPage())
	}
	open := &opener{settings: cfg.Agent, opts: opts, own: own}
	first := makePlan(nil, cfg)
	pages := srv.newPages(nil)
	members, _, err := open.openAll(ctx, first, pages)
	if err != nil {
		return err
	}
	crew.seat(members)
	undo.add(crew.close)
	if err := crew.show(members); err != nil {
		return err
	}
	if err := own.watch(crew.members); err != nil {
		return err
	}
	ticks := newLoop(members, own)
	health.loop = ticks
	srv.show(pages)
	if err := srv.serve(opts.Log); err != nil {
		return err
	}
	undo.add(srv.shutdown)
	startRunners(ctx, members)
	undo.add(crew.stopRunners)
	reload, err := newReloader(open, crew, srv, ticks)
	if err != nil {
		return err
	}
	health.reload = reload
	undo.add(reload.start(ctx))
	undo.add(ticks.start(ctx))

	announce(members, srv, opts)
	<-ctx.Done()
	opts.Log.Info("agent is stopping")
	return nil
}

// announce says what runs.
func announce(members []*member, srv *server, opts RunOptions) {
	attrs := []any{"version", opts.Version}
	hasOutput := false
	var names []string
	for _, m := range members {
		names = append(names, m.name)
		hasOutput = hasOutput || m.role == plugin.RoleOutput
	}
	attrs = append(attrs, "plugins", names)
	if srv.listener != nil {
		attrs = append(attrs, "listen", srv.listener.Addr().String())
	}
	opts.Log.Info("agent runs", attrs...)
	if !hasOutput {
		opts.Log.Warn("no output is enabled: nobody sees what is measured")
	}
	if srv.listener != nil && opts.Listening != nil {
		opts.Listening(srv.listener.Addr())
	}
}
