package k8s

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// take notes which cgroups came and went, and reads those in which something
// happened and, with read, those that are new.
func (s *source) take(changes *cgroup.Changes, read bool) {
	now := time.Now()
	s.followFolders()
	for _, found := range changes.Touched {
		if t := s.byFound[found]; t != nil {
			s.glanceInto(t)
		}
	}
	for _, found := range changes.Gone {
		s.end(s.byFound[found], now)
	}
	for _, found := range changes.Appeared {
		t := s.add(found, now)
		if read {
			s.glance(t)
		}
	}
	s.looked = now
}

func (s *source) add(found *cgroup.Found, now time.Time) *target {
	t := &target{found: found, reader: s.hierarchy.Reader(found.Path), since: now, details: s.newDetails()}
	after := s.looked // made since: all that it counted belongs to this window
	if after.IsZero() {
		after = now
	}
	if found.Born {
		for kind := range t.cpu {
			t.cpu[kind] = bornCounter(after, s.windowEnd)
		}
		t.details.born(after, s.windowEnd)
	}
	s.followPackages(t, found.Born, after)
	t.tree = s.trees[found.Kubepods]
	t.tree.targets++
	if key := cgroup.UIDKey(found.UID); t.isPod() && s.pods[key] == nil {
		s.pods[key] = t
	}
	s.adopt(t)
	s.targets = append(s.targets, t)
	s.byFound[found] = t
	s.changed = true
	return t
}

// adopt gives a target what is left to emit of one that had the same path and ended
// since the last tick, lest there be two series with one identity.
func (s *source) adopt(t *target) {
	if s.endings == 0 {
		return
	}
	i := slices.IndexFunc(s.targets, func(old *target) bool { return !old.lives() && old.found.Path == t.found.Path })
	if i < 0 {
		return
	}
	old := s.targets[i]
	s.targets = slices.Delete(s.targets, i, i+1)
	s.endings--
	for kind := range t.cpu {
		t.cpu[kind].carry(&old.cpu[kind])
	}
	t.details.carry(old.details)
	t.packages.carry(old.packages)
	t.pod, t.series, t.missed, t.lists = old.pod, old.series, old.missed, old.lists
	t.shown, t.requested = old.shown, old.requested
	t.tree.targets--
	if key := cgroup.UIDKey(t.found.UID); s.pods[key] == old {
		s.pods[key] = t
	}
}

// end notes that a cgroup is gone. What it counted until it was last read is
// emitted in the next tick.
func (s *source) end(t *target, now time.Time) {
	t.gone = now
	t.reader.Close()
	delete(s.byFound, t.found)
	s.endings++
	s.changed = true
}

// forget ends the series of a target that is gone, and drops it.
func (s *source) forget(t *target, b *measure.Batch) {
	s.hide(t, b)
	t.tree.targets--
	if !t.isPod() {
		return
	}
	t.tree.total.booked -= t.cpu[total].sum // it was never shown
	if t.packages != nil {
		for i := range t.packages.counters {
			t.tree.packages[i].booked -= t.packages.counters[i].sum
		}
	}
	if t.pod != nil {
		t.tree.named--
	}
	if key := cgroup.UIDKey(t.found.UID); s.pods[key] == t {
		delete(s.pods, key)
		// The same pod may have a second cgroup, left by another driver.
		for _, other := range s.targets {
			if other != t && other.isPod() && other.lives() && cgroup.UIDKey(other.found.UID) == key {
				s.pods[key] = other
				break
			}
		}
	}
}

// name gives the targets the names that the directory has for them, and tells
// the discovery which are missing.
func (s *source) name(d *directory, b *measure.Batch) {
	for _, t := range s.targets {
		s.lookUp(t, d, b)
		// A list is about a target if it did not begin before the target was seen.
		if t.pod == nil && d != s.directory && d.err == nil && !d.asked.Before(t.since) {
			t.lists++
		}
	}
	s.directory = d
	ours := s.ours()
	var waiting []*target
	pods, unresolved, named, unknown := 0, 0, 0, 0
	for _, t := range s.targets {
		if t.pod != nil {
			named++
		} else if t.lists > 0 {
			unknown++
		}
		if t.isPod() {
			pods++
			if t.pod == nil {
				unresolved++
			}
		}
		foreign := ours && t.tree.named == 0
		t.held = s.waits(t, foreign, b.Last)
		switch shown := !t.held && s.shows(t, foreign, b.Last); {
		case shown && t.series == nil:
			waiting = append(waiting, t)
		case !shown:
			s.hide(t, b)
		}
	}
	s.admit(waiting)
	s.self.pods.Store(int64(pods))
	s.self.unresolved.Store(int64(unresolved))
	s.ask()
	s.judge(named, unknown)
}

// ours reports whether a pod has its name: then a tree in which none has is that of
// another node.
func (s *source) ours() bool {
	for _, tree := range s.trees {
		if tree.named > 0 {
			return true
		}
	}
	return false
}

// ask tells the discovery which names are missing.
func (s *source) ask() {
	d, ours := s.discovery.current.Load(), s.ours()
	var missing []name
	fresh := false
	for _, t := range s.targets {
		n := name{uid: t.found.UID, containerID: t.found.ContainerID}
		if t.pod != nil || d.has(n) {
			continue
		}
		foreign := ours && t.tree.named == 0
		if t.lists >= enoughLists && (!t.isPod() || foreign) {
			continue
		}
		missing = append(missing, n)
		fresh = fresh || !t.missed
		t.missed = true
	}
	s.discovery.miss(missing, fresh)
}

// lookUp takes what the directory says about a target. A pod that it does not
// list any more keeps its name as long as its cgroup lives.
func (s *source) lookUp(t *target, d *directory, b *measure.Batch) {
	known := d.find(t.found.UID)
	if known == nil {
		return
	}
	if id := t.found.ContainerID; id != "" {
		if _, ok := known.containers[id]; ok {
			s.identify(t, known, b)
		}
		return
	}
	if t.pod == nil {
		t.tree.named++
	}
	s.identify(t, known, b)
}

// shows decides whether a target has series. A pod without a name is shown by
// its UID alone, once the API server had its chance to tell the name, or in the
// last batch, lest what was held back is lost; but not a folder that may be
// something else, and not a pod of another node.
func (s *source) shows(t *target, foreign, last bool) bool {
	if t.isPod() && s.pods[cgroup.UIDKey(t.found.UID)] != t {
		return false // a second cgroup of the same pod
	}
	if t.pod != nil {
		return true
	}
	return (last || s.asked(t)) && t.isPod() && !foreign && cgroup.LikelyUID(t.found.UID)
}

// asked reports whether the API server had its chance to name a target.
func (s *source) asked(t *target) bool { return t.lists > 0 || s.directory.err != nil }

// waits reports whether a target that is gone may still get its name. What it used
// is not lost meanwhile.
func (s *source) waits(t *target, foreign, last bool) bool {
	if t.lives() || t.pod != nil || foreign || last || time.Since(t.gone) > heldFor {
		return false
	}
	if t.isPod() {
		return s.directory.err == nil && cgroup.LikelyUID(t.found.UID) && s.pods[cgroup.UIDKey(t.found.UID)] == t
	}
	return t.lists < enoughLists
}

// hide ends the series of a target.
func (s *source) hide(t *target, b *measure.Batch) {
	if t.series != nil {
		b.Retire(t.series.all...)
		s.ceiling.free(len(t.series.all))
		t.series = nil
	}
}

// judge keeps what is wrong as a whole: unknown are the cgroups that
// the API server had its chance to name.
func (s *source) judge(named, unknown int) {
	var err error
	switch {
	case len(s.targets) == 0 && s.finder.Lost():
		err = errors.New("no cgroups of pods in sight: is the kubelet running, and is this the cgroup tree of its machine?")
	case named == 0 && unknown > 0:
		err = fmt.Errorf("the API server knows none of the pods whose cgroups are here: is k8s_node = %q the name of this node?", s.node)
	}
	if err == nil {
		s.wrong.Store(nil)
		return
	}
	s.wrong.Store(&err)
}
