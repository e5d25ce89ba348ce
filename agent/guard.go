package agent

import (
	"fmt"
	"runtime/debug"
)

// panicError is a panic of a plugin, made an error.
type panicError struct {
	value any
	stack []byte
}

// Error returns what the plugin panicked with.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// Unwrap returns the value, where the plugin panicked with an error.
func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// recovered makes a panic of the deferring function its error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = &panicError{value: r, stack: debug.Stack()}
	}
}

// guarded calls a function of a plugin.
func guarded(f func() error) (err error) {
	defer recovered(&err)
	return f()
}
