package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/plugin"
)

// reloader takes configurations while the agent runs, one after the other. A wrong one
// changes nothing.
type reloader struct {
	*opener
	crew *crew
	srv  *server
	loop *loop

	asked chan chan<- error // by the page
	gone  chan struct{}     // closed when the loop does not come back any more

	successful atomic.Bool  // the last one
	at         atomic.Int64 // when a configuration was taken last, in Unix seconds
}

func newReloader(o *opener, c *crew, srv *server, l *loop) (*reloader, error) {
	r := &reloader{opener: o, crew: c, srv: srv, loop: l, asked: make(chan chan<- error), gone: make(chan struct{})}
	r.successful.Store(true)
	r.at.Store(time.Now().Unix())
	successful, err := o.own.meter.Int64ObservableGauge("podjoule.agent.config.last_reload_successful",
		metric.WithDescription("1 if the last attempt to take a configuration worked, else 0: then the one before is in use"))
	if err != nil {
		return nil, fmt.Errorf("make the agent's own metrics: %w", err)
	}
	at, err := o.own.meter.Int64ObservableGauge("podjoule.agent.config.last_reload_success.timestamp", metric.WithUnit("s"),
		metric.WithDescription("When the configuration in use was taken"))
	if err == nil {
		_, err = o.own.meter.RegisterCallback(func(_ context.Context, obs metric.Observer) error {
			var one int64
			if r.successful.Load() {
				one = 1
			}
			obs.ObserveInt64(successful, one)
			obs.ObserveInt64(at, r.at.Load())
			return nil
		}, successful, at)
	}
	if err != nil {
		return nil, fmt.Errorf("make the agent's own metrics: %w", err)
	}
	return r, nil
}

// start takes configurations until the context ends. The function that it returns waits
// for the one under way; it is to be called when the loop is over.
func (r *reloader) start(ctx context.Context) (wait func() error) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.opts.Reload:
				_ = r.reload(ctx) // it is logged
			case answer := <-r.asked:
				answer <- r.reload(ctx)
			}
		}
	}()
	return func() error {
		close(r.gone)
		<-over
		return nil
	}
}

// ask has the configuration taken anew and returns what is wrong with it.
func (r *reloader) ask(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case r.asked <- answer:
	case <-r.gone:
		return errOver
	case <-ctx.Done():
		return fmt.Errorf("wait for the reload before this one: %w", ctx.Err())
	}
	return <-answer
}

// reload takes the configuration anew. With an error the old one stays in use.
func (r *reloader) reload(ctx context.Context) error {
	err := r.take(ctx)
	if errors.Is(err, errOver) {
		return err
	}
	if err != nil {
		r.successful.Store(false)
		r.opts.Log.Error("configuration is not taken, the one before stays in use", "err", err)
	}
	return err
}

func (r *reloader) take(ctx context.Context) error {
	if r.opts.Load == nil {
		return errors.New("this agent was started without a file to read again: start it anew")
	}
	cfg, err := r.opts.Load()
	if err != nil {
		return err
	}
	if err := cfg.check(); err != nil {
		return err
	}
	if err := r.checkSettings(cfg.Agent); err != nil {
		return err
	}
	open := r.crew.members()
	p := makePlan(open, cfg)
	var kept []page
	s := &swap{leaving: p.leaving, done: make(chan struct{})}
	for _, seat := range p.seats {
		if seat.kept != nil {
			kept = append(kept, seat.kept.pages...)
		}
		if seat.change != nil {
			s.changes = append(s.changes, seat.change)
		}
	}
	pages := r.srv.newPages(kept)
	if s.members, s.opened, err = r.openAll(ctx, p, pages); err != nil {
		return err
	}
	if err := r.loop.hand(ctx, s, r.gone); err != nil {
		return errors.Join(err, closeAll(s.opened))
	}
	r.settle(ctx, s, pages)
	if r.opts.Level != nil {
		r.opts.Level.Set(cfg.Agent.level())
	}
	r.settings = cfg.Agent
	r.at.Store(time.Now().Unix())
	r.successful.Store(true) // before the log tells it
	r.opts.Log.Info("configuration is taken", "plugins", namesOf(s.members), "opened", namesOf(s.opened), "closed", namesOf(s.leaving), "gap", s.gap)
	return nil
}

// settle does what remains when the loop has changed over: nothing of it is urgent.
func (r *reloader) settle(ctx context.Context, s *swap, pages *pageSet) {
	r.crew.seat(s.members)
	r.srv.show(pages)
	var errs []error
	for _, m := range s.leaving {
		errs = append(errs, m.meter.hide())
	}
	errs = append(errs, r.crew.show(s.opened))
	startRunners(ctx, s.opened)
	for _, m := range s.opened {
		if m.before != nil && m.before.stopRun != nil {
			m.before.stopRun(plugin.ErrReplaced)
		}
		m.before = nil
	}
	errs = append(errs, stopRunners(s.leaving), closeAll(s.leaving))
	if err := errors.Join(errs...); err != nil {
		r.opts.Log.Warn("a plugin that was taken out did not end well", "err", err)
	}
}

// checkSettings refuses what only a new start can change.
func (r *reloader) checkSettings(s Settings) error {
	var wrong []string
	refuse := func(key string, differs bool) {
		if differs {
			wrong = append(wrong, key)
		}
	}
	was := r.settings
	refuse("listen", s.Listen != was.Listen)
	refuse("log_level", s.LogLevel != was.LogLevel && r.opts.Level == nil)
	refuse("log_format", s.LogFormat != was.LogFormat)
	refuse("sysfs_root", s.SysfsRoot != was.SysfsRoot)
	refuse("procfs_root", s.ProcfsRoot != was.ProcfsRoot)
	refuse("web_config_file", s.WebConfigFile != was.WebConfigFile)
	refuse("web_reload", s.WebReload != was.WebReload)
	refuse("pprof", s.Pprof != was.Pprof)
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("%s of the table [agent] cannot be changed while the agent runs: start it anew, or put back what was there", strings.Join(wrong, ", "))
}

func namesOf(members []*member) []string {
	names := make([]string, 0, len(members))
	for _, m := range members {
		names = append(names, m.name)
	}
	return names
}
