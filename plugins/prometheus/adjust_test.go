package prometheus

import (
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// keep_ended changes while the page is served: what is on it goes on, and what ended stays
// for as long as the new value says.
func TestAdjust(t *testing.T) {
	for _, tt := range []struct {
		before, after time.Duration
		left          int
	}{
		{time.Hour, 0, 1},
		{2 * interval, time.Hour, 2},
		{time.Hour, 2 * interval, 1},
	} {
		m := newMetrics()
		p := open(t, &Config{Path: "/metrics", KeepEnded: plugin.Duration(tt.before)}, m.all()...)
		ends, stays := m.newPod("web-0", "u-0"), m.newPod("web-1", "u-1")
		p.next(t, func(b *measure.Batch) {
			b.Uint(ends.core, 1_000_000)
			b.Uint(stays.core, 1_000_000)
			b.Retire(ends.core)
		})
		p.Adjust(&Config{Path: "/metrics", KeepEnded: plugin.Duration(tt.after)})
		for range 3 {
			p.next(t, func(b *measure.Batch) { b.Uint(stays.core, 1_000_000) })
		}
		if got := len(p.lines); got != tt.left {
			t.Errorf("from %v to %v: %d lines, want %d", tt.before, tt.after, got, tt.left)
		}
		if got := p.lines[p.live[stays.core].Identity].total; got != 4_000_000 {
			t.Errorf("from %v to %v: the counter of the pod that goes on is at %d, want 4000000", tt.before, tt.after, got)
		}
	}
}
