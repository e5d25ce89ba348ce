package k8s

import "github.com/podjoule/podjoule/agent/plugin"

// AdjustedKeys implements plugin.Adjuster.
func (s *source) AdjustedKeys() []string { return []string{"poll_interval", "memory_interval"} }

// Adjust implements plugin.Adjuster. Counters and baselines live on.
func (s *source) Adjust(c plugin.Config) {
	if c, ok := c.(*Config); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.memoryPace = newMemoryPace(c)
	}
}
