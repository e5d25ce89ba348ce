//go:build e2e

package e2e

import (
	"sync"
	"testing"
)

// setUp is something that all tests of a run need and the first one makes.
type setUp struct {
	once sync.Once
	made bool
}

// do makes it with the first call. Where that failed, every later test says so too.
func (s *setUp) do(t *testing.T, what string, setUp func()) {
	t.Helper()
	s.once.Do(func() {
		setUp()
		s.made = true
	})
	if !s.made {
		t.Fatalf("%s could not be set up: the first test that failed says why", what)
	}
}
