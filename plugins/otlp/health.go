package otlp

import (
	"fmt"
	"sync"
	"time"
)

// health remembers what is wrong, and since when.
type health struct {
	mu    sync.Mutex
	err   error
	since time.Time
}

// set takes the outcome of the last attempt; nil means that all is well.
func (h *health) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.since = time.Now()
	}
	h.err = err
}

// get returns the last error with the time since when there were errors only.
func (h *health) get() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		return nil
	}
	return fmt.Errorf("%w (since %s)", h.err, h.since.UTC().Format(time.RFC3339))
}
