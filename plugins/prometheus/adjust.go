package prometheus

import (
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
)

// AdjustedKeys implements plugin.Adjuster.
func (o *output) AdjustedKeys() []string { return []string{"keep_ended"} }

// Adjust implements plugin.Adjuster. Counters go on, and those that ended stay for as long
// as the new value says.
func (o *output) Adjust(c plugin.Config) {
	if c, ok := c.(*Config); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.keep = time.Duration(c.KeepEnded)
	}
}
