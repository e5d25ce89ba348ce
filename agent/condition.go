package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// repeatAfter is how long a failing plugin must be silent before another
// error of it is logged.
const repeatAfter = time.Minute

// condition is whether one stage of a plugin works. It counts every failure
// and logs changes only.
type condition struct {
	stage string
	log   *slog.Logger
	// errors counts failures with the attributes in plain, or in panicked. It
	// is nil for a stage that is a state and not an event.
	errors          metric.Int64Counter
	plain, panicked []metric.AddOption

	mu     sync.Mutex
	since  time.Time // of the last change
	text   string    // what is wrong; "" while it works
	said   string    // the text that was logged last
	saidAt time.Time
}

// report takes the outcome of one call, nil for success.
func (c *condition) report(err error) {
	if err == nil {
		c.change("", time.Now())
		return
	}
	// Sprint survives an Error method that panics, on a nil pointer say.
	text := fmt.Sprint(err)
	if text == "" {
		text = fmt.Sprintf("%T without a text", err)
	}
	var crash *panicError
	crashed := errors.As(err, &crash)
	if c.errors != nil {
		attributes := c.plain
		if crashed {
			attributes = c.panicked
		}
		c.errors.Add(context.Background(), 1, attributes...)
	}
	if c.change(text, time.Now()) && crashed {
		c.log.Debug("stack of the panic", "stage", c.stage, "stack", string(crash.stack))
	}
}

// change notes and logs the new text, and reports whether it logged.
func (c *condition) change(text string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.text
	c.text = text
	switch {
	case text == "" && was == "":
		return false
	case text == "":
		c.log.Info("plugin works again", "stage", c.stage, "failed_for", now.Sub(c.since))
		c.since = now
		return true
	case was == "":
		c.since = now
	case text == c.said || now.Sub(c.saidAt) < repeatAfter:
		return false
	}
	c.said, c.saidAt = text, now
	c.log.Warn("plugin is failing", "stage", c.stage, "err", text)
	return true
}

// state returns what is wrong, "" for nothing, and since when it is so.
func (c *condition) state() (text string, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text == "" {
		return "", c.since
	}
	return c.stage + ": " + c.text, c.since
}
