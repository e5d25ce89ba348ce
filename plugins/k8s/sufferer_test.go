package k8s

import (
	"runtime"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// sufferer is a node that has a trouble.
type sufferer struct {
	*rig
	b      *bubble
	pods   []*corev1.Pod
	booked ledger
	spent  map[string]uint64 // by UID
	shown  []string          // in the last window
	second int
}

// live lets time pass, with ticks and a bookmark each minute.
func (s *sufferer) live(d time.Duration, each func(*bubble)) {
	s.t.Helper()
	for range d / time.Second {
		time.Sleep(time.Second)
		if each != nil {
			each(s.b)
		}
		if s.second++; s.second%60 == 0 {
			s.b.api.Bookmark()
		}
		if s.second%5 != 0 {
			continue
		}
		for i, p := range s.pods {
			d := time.Duration(s.second+i) * time.Microsecond
			s.spend(p, "main", d, 0)
			s.spent[string(p.UID)] += uint64(d)
		}
		batch := s.tick()
		s.booked.add(s.t, batch)
		s.shown = names(batch)
	}
}

func (s *sufferer) named() bool {
	for _, p := range s.pods {
		if s.directory == nil || s.directory.find(string(p.UID)) == nil {
			return false
		}
	}
	return true
}

// within waits for something, second by second.
func (s *sufferer) within(limit time.Duration, what string, ok func() bool) {
	s.t.Helper()
	for begin := time.Now(); !ok(); s.live(time.Second, nil) {
		if time.Since(begin) > limit {
			s.t.Fatalf("%s: not within %v; Ready: %v", what, limit, s.Ready())
		}
	}
}

// size is what the process holds.
func size() (goroutines int, heap int64) {
	synctest.Wait()
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return runtime.NumGoroutine(), int64(stats.HeapAlloc)
}
