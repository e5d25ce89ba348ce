package k8s

import (
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
)

// The pace of memory follows the new intervals; what is no configuration of k8s changes nothing.
func TestAdjust(t *testing.T) {
	s := &source{memoryPace: newMemoryPace(defaults())}
	if s.memoryPace.every != 0 {
		t.Fatalf("memory is read every %v, want in each tick", s.memoryPace.every)
	}
	c := defaults()
	c.Interval, c.MemoryInterval = plugin.Duration(time.Second), plugin.Duration(10*time.Second)
	s.Adjust(c)
	if s.memoryPace.every != 10*time.Second || s.memoryPace.tick != time.Second {
		t.Errorf("memory is read every %v of %v, want 10s of 1s", s.memoryPace.every, s.memoryPace.tick)
	}
	// The keys are those of the table: a reload compares by them.
	for _, key := range s.AdjustedKeys() {
		if key != "poll_interval" && key != "memory_interval" {
			t.Errorf("%s is no key of a pace", key)
		}
	}
}
