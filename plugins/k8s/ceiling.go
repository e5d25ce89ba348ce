package k8s

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/cgroup"
)

// ceiling bounds how many series there are at a time.
type ceiling struct {
	max  int // 0 is none
	live int
	// refuses says that the last admission refused something, and freed that
	// series ended since then.
	refuses, freed bool
	sizes          [2]int // how many series a pod and a container have, once known
	refused        metric.Int64Counter
	full           atomic.Pointer[error] // for Ready
}

func (c *ceiling) open(limit int, meter metric.Meter) (err error) {
	c.max = limit
	c.refused, err = meter.Int64Counter("podjoule.k8s.series_refused", metric.WithUnit("{series}"),
		metric.WithDescription("Series of new pods and containers that were not shown because max_series was reached"))
	if err == nil {
		c.refused.Add(context.Background(), 0) // a counter that has not counted yet is seen as 0
	}
	return err
}

// due tells that targets which were refused may have room now.
func (c *ceiling) due() bool { return c.freed && c.refuses }

// free takes note of series that ended.
func (c *ceiling) free(n int) {
	c.live -= n
	c.freed = true
}

// take makes room for series, and reports false where there is none.
func (c *ceiling) take(n int) bool {
	if c.max > 0 && n > c.max-c.live {
		return false
	}
	c.live += n
	return true
}

// show makes the series of a target.
func (s *source) show(t *target) {
	t.series, t.refused = s.newSeries(t), false
	s.ceiling.live += len(t.series.all)
	s.showDevices(t)
}

// room reports whether so many series more may live.
func (c *ceiling) room(n int) bool { return c.max == 0 || n <= c.max-c.live }

// sizeOf returns how many series a target would have.
func (s *source) sizeOf(t *target) int {
	level := 0
	if t.found.ContainerID != "" {
		level = 1
	}
	if s.ceiling.sizes[level] == 0 {
		s.ceiling.sizes[level] = len(s.newSeries(t).all)
	}
	if t.details == nil {
		return s.ceiling.sizes[level]
	}
	return s.ceiling.sizes[level] + deviceCounters*len(t.details.devices)
}

// admit shows the targets that wait for it, as far as there is room for their series,
// the oldest first. A pod and its containers are shown together or not at all; a
// container that comes later waits for itself. What is refused is read no more, so
// that its counters keep what was counted until there is room.
func (s *source) admit(waiting []*target) {
	c := &s.ceiling
	var order []string
	groups := make(map[string][]*target)
	for _, t := range waiting {
		key := cgroup.UIDKey(t.found.UID)
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], t)
	}
	pods, series, fresh := 0, 0, 0
	for _, t := range s.targets { // devices of those that are shown come first
		if left := s.showDevices(t); left > 0 {
			pods, series = pods+1, series+left*deviceCounters
		}
	}
	for _, key := range order {
		need := 0
		for _, t := range groups[key] {
			need += s.sizeOf(t)
		}
		if c.room(need) {
			for _, t := range groups[key] {
				s.show(t)
			}
			continue
		}
		pods, series = pods+1, series+need
		for _, t := range groups[key] {
			if !t.refused {
				t.refused = true
				fresh += s.sizeOf(t)
			}
		}
	}
	c.refuses, c.freed = series > 0, false
	if fresh > 0 {
		c.refused.Add(context.Background(), int64(fresh))
	}
	c.judge(pods, series)
}

// judge keeps what is refused for Ready.
func (c *ceiling) judge(pods, series int) {
	if series == 0 {
		c.full.Store(nil)
		return
	}
	err := fmt.Errorf("max_series = %d is reached: %d series of %d pods are not shown; raise it, or choose fewer metrics or no containers", c.max, series, pods)
	c.full.Store(&err)
}
