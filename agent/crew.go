package agent

import (
	"errors"
	"sync/atomic"
)

// crew is the plugins that are open, in pipeline order. They change as a whole.
type crew struct{ current atomic.Pointer[[]*member] }

func (c *crew) seat(members []*member) { c.current.Store(&members) }

func (c *crew) members() []*member {
	if members := c.current.Load(); members != nil {
		return *members
	}
	return nil
}

// show has the plugins' own metrics told from now on.
func (c *crew) show(members []*member) error {
	var errs []error
	for _, m := range members {
		errs = append(errs, m.meter.show())
	}
	return errors.Join(errs...)
}

func (c *crew) stopRunners() error { return stopRunners(c.members()) }

func (c *crew) close() error { return closeAll(c.members()) }
