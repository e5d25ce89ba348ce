package k8s

import "github.com/podjoule/podjoule/agent/plugin"

// PaceKeys implements plugin.Repacer.
func (s *source) PaceKeys() []string { return []string{"poll_interval", "memory_interval"} }

// Repace implements plugin.Repacer. Counters and baselines live on.
func (s *source) Repace(c plugin.Config) {
	if c, ok := c.(*Config); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.memoryPace = newMemoryPace(c)
	}
}
