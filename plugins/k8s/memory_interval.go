package k8s

import (
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// memoryPace says in which ticks memory is read where it has an interval of its own.
type memoryPace struct {
	every, tick time.Duration // every is 0 where memory is read in each tick
	origin      time.Time     // the end of the first window
	last        int64         // the multiple of the interval at which it was last due
}

// checkMemoryInterval looks at the key memory_interval.
func (c *Config) checkMemoryInterval() error {
	every, tick := time.Duration(c.MemoryInterval), time.Duration(c.Interval)
	if every < 0 || every%tick != 0 {
		return plugin.Keyf("memory_interval", "want a multiple of poll_interval, which is %v, or \"0s\" for each tick, have %v", tick, every)
	}
	return nil
}

func newMemoryPace(c *Config) memoryPace {
	p := memoryPace{every: time.Duration(c.MemoryInterval), tick: time.Duration(c.Interval), last: -1}
	if p.every <= p.tick {
		p.every = 0
	}
	return p
}

// due reports whether memory is to be read in the tick that ends a window. As ticks
// are, it is due at the multiples of its interval from the first window on; a tick
// is never at its time to the nanosecond, so that the nearest is meant. When the
// tick at a multiple was skipped, the next one stands in for it.
func (p *memoryPace) due(b *measure.Batch) bool {
	if p.every == 0 || b.Last {
		return true
	}
	if p.origin.IsZero() {
		p.origin = b.End
	}
	at := int64((b.End.Sub(p.origin) + p.tick/2) / p.every)
	if at == p.last {
		return false
	}
	p.last = at
	return true
}
