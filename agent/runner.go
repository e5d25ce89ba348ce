package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	firstRestart = time.Second      // the pause before a Run is started again,
	lastRestart  = 30 * time.Second // which doubles up to here
	// settled is how long a Run must have gone on to count as working.
	settled = 30 * time.Second
	// draining is how long runners may take to end, all together.
	draining = 5 * time.Second
)

var errEarly = errors.New("it ended before its time")

// supervise runs a plugin's Run until the context ends, and starts it again
// when it returns early. The error is of a Run that was asked to end.
func (m *member) supervise(ctx context.Context) error {
	for pause := firstRestart; ; pause = min(2*pause, lastRestart) {
		lasted, err := m.runOnce(ctx)
		if ctx.Err() != nil {
			return err
		}
		if err == nil {
			err = errEarly
		}
		m.running.report(err)
		if lasted {
			pause = firstRestart
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			// What is queued for this Run is still to be flushed.
			return guarded(func() error { return m.runner.Run(ctx) })
		}
	}
}

// runOnce reports whether Run went on for long enough to count as working.
func (m *member) runOnce(ctx context.Context) (lasted bool, err error) {
	ended := make(chan error, 1)
	go func() { ended <- guarded(func() error { return m.runner.Run(ctx) }) }()
	working := time.NewTimer(settled)
	defer working.Stop()
	select {
	case err = <-ended:
		return false, err
	case <-working.C:
		m.running.report(nil)
		return true, <-ended
	}
}

// startRunners starts what the plugins do between ticks. That of one which replaces
// another begins when the other's is over.
func startRunners(ctx context.Context, members []*member) {
	for _, m := range members {
		if m.runner == nil {
			continue
		}
		ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		m.stopRun, m.runsOver = cancel, make(chan struct{})
		begin := m.before.over()
		go func() {
			defer close(m.runsOver)
			<-begin
			m.runError = m.supervise(ctx)
		}()
	}
}

// over is closed when what a plugin does between ticks is over, as it is where there was
// no such plugin.
func (m *member) over() <-chan struct{} {
	if m != nil && m.runsOver != nil {
		return m.runsOver
	}
	none := make(chan struct{})
	close(none)
	return none
}

// stopRunners ends what the plugins do between ticks, and waits.
func stopRunners(members []*member) error {
	for _, m := range members {
		if m.stopRun != nil {
			m.stopRun(nil)
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), draining)
	defer cancel()
	var errs []error
	for _, m := range members {
		if m.stopRun != nil {
			errs = append(errs, m.awaitRun(limit))
		}
	}
	return errors.Join(errs...)
}

func (m *member) awaitRun(limit context.Context) error {
	select {
	case <-m.runsOver:
	case <-limit.Done():
		select {
		case <-m.runsOver: // it was done while another one was waited for
		default:
			m.stuck = true
			return fmt.Errorf("run %s: not ended %v after it was asked to", m.name, draining)
		}
	}
	if m.runError != nil && !errors.Is(m.runError, context.Canceled) {
		return fmt.Errorf("run %s: %w", m.name, m.runError)
	}
	return nil
}
