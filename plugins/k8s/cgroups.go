package k8s

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/podjoule/podjoule/cgroup"
)

const (
	// scanInterval is how often cgroups are looked at where the kernel does not
	// tell when they come and go, and rewatchInterval how often it is asked again
	// to do so.
	scanInterval    = time.Second
	rewatchInterval = time.Minute
	// After a container's end its pod is read again, at first so soon, then after
	// pauses that grow as often as this: the kernel books the last moments of a
	// process after it has left its cgroup, on a busy machine some time after.
	firstGlance = 10 * time.Millisecond
	moreGlances = 4
)

// followCgroups looks at cgroups when they come and go, so that a pod is read from its
// first moments to its last, wherever the ticks are. It returns when the context ends.
func (s *source) followCgroups(ctx context.Context) error {
	for ctx.Err() == nil {
		if events := s.watchCgroups(); events != nil {
			s.followEvents(ctx, events)
			continue
		}
		for began := time.Now(); time.Since(began) < rewatchInterval && sleep(ctx, time.Now(), max(s.scan, scanInterval)); {
			s.catchUp()
		}
	}
	return nil
}

// watchCgroups has the kernel tell about cgroups from now on, or returns nil.
func (s *source) watchCgroups() *cgroup.Events {
	if s.scan > 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events, err := s.finder.Watch()
	if err != nil {
		s.refuse()
		return nil
	}
	s.events = events
	_ = s.look(time.Now(), true) // an error comes again in the next tick, which tells it
	return events
}

// followEvents looks at what the events tell, and now and then at everything, as
// long as there are events.
func (s *source) followEvents(ctx context.Context, events *cgroup.Events) {
	for {
		limited, cancel := context.WithTimeout(ctx, s.pause())
		err := events.Wait(limited)
		cancel()
		if ctx.Err() != nil || err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return
		}
		s.catchUp()
	}
}

// catchUp takes note of what came and went, and tells the discovery which names
// are missing now.
func (s *source) catchUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.look(time.Now(), true) // an error comes again in the next tick, which tells it
	if s.changed {
		s.ask()
	}
	s.glanceAgain()
}

// look takes note of what came and went until now. Now and then it looks through
// the whole tree, which finds kubepods folders, and whatever else was missed. With
// read, it reads those that are new.
func (s *source) look(now time.Time, read bool) error {
	var changes *cgroup.Changes
	var err error
	if s.searched.IsZero() || now.Sub(s.searched) >= s.searchPause() {
		s.searched = now
		s.discovery.tidy(time.Now())
		changes, err = s.finder.Scan(true)
	} else {
		changes, err = s.finder.Update()
	}
	s.take(changes, read)
	s.refuse()
	return err
}

// pause is how long it is until there is something to do without an event.
func (s *source) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	pause := s.searchPause() - time.Since(s.searched)
	for _, t := range s.touched {
		pause = min(pause, time.Until(t.due))
	}
	return max(pause, time.Millisecond)
}

// searchPause is how often the whole tree is looked through.
func (s *source) searchPause() time.Duration {
	if len(s.targets) == 0 && s.finder.Lost() {
		return lostInterval // an empty folder beside one with pods is none to wait for
	}
	return searchInterval
}

// refuse keeps why the kernel does not tell about cgroups, if so.
func (s *source) refuse() {
	why := s.finder.Refused()
	s.self.scanning.Store(s.events == nil || why != nil)
	if why == nil {
		s.refused.Store(nil)
		return
	}
	kept := fmt.Errorf("pods that come and go are found by scanning alone, every %v: %w", scanInterval, why)
	s.refused.Store(&kept)
}

// glance reads a target out of turn. What cannot be read is left to the next tick,
// which tells why. Memory is a state at a tick: it is read for pods only that may
// not live to see one.
func (s *source) glance(t *target) {
	_ = s.readCPU(t)
	_ = s.readDetails(t)
	if t.shown && !s.groups.MemoryDetail {
		return
	}
	was := t.memory
	if _ = s.readMemory(t); !t.memory.Usage.Known {
		t.memory = was // the pod is about to go
	}
}

// glanceAt reads a pod of which the API server tells that something happened to it. Where
// the kernel tells nothing, that is the only sign of an end before it is there.
func (s *source) glanceAt(p *pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, uid := range []string{p.uid, p.hash} {
		if t := s.pods[cgroup.UIDKey(uid)]; t != nil && t.lives() {
			s.glanceInto(t)
		}
	}
}

// glanceInto reads a pod in whose cgroup something happened, and its containers.
func (s *source) glanceInto(pod *target) {
	s.glance(pod)
	s.touched = append(s.touched, touch{pod, time.Now().Add(firstGlance), moreGlances})
	if s.events != nil {
		s.events.Wake() // what happened may have been seen by a tick
	}
	if len(s.byFound) == len(s.pods) {
		return // there are only pods
	}
	for _, t := range s.targets {
		if !t.isPod() && t.lives() && t.found.UID == pod.found.UID {
			s.glance(t)
		}
	}
}

// touch is that something happened in a pod's cgroup.
type touch struct {
	pod  *target
	due  time.Time // when the pod is to be read again
	left int       // how often
}

// glanceAgain reads the pods in which something happened a moment ago.
func (s *source) glanceAgain() {
	now := time.Now()
	for i := range s.touched {
		t := &s.touched[i]
		if !t.pod.lives() {
			t.left = 0
		}
		if t.left == 0 || now.Before(t.due) {
			continue
		}
		s.glance(t.pod)
		t.left--
		t.due = now.Add(firstGlance << (2 * (moreGlances - t.left)))
	}
	s.touched = slices.DeleteFunc(s.touched, func(t touch) bool { return t.left == 0 })
}
