package k8s

import (
	"errors"
	"fmt"
	"slices"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// take notes which cgroups came and went.
func (s *source) take(changes *cgroup.Changes, b *measure.Batch) {
	for _, found := range changes.Gone {
		s.remove(s.byFound[found], b)
	}
	for _, found := range changes.Appeared {
		s.add(found, b)
	}
}

func (s *source) add(found *cgroup.Found, b *measure.Batch) {
	t := &target{found: found, reader: s.hierarchy.Reader(found.Path), since: b.End}
	if found.Born {
		// Made since the last scan: all that it counted belongs to this window.
		for kind := range t.cpu {
			t.cpu[kind] = counter{known: true, at: b.Start, end: b.Start}
		}
	}
	t.tree = s.trees[found.Kubepods]
	if t.tree == nil {
		t.tree = new(tree)
		s.trees[found.Kubepods] = t.tree
	}
	t.tree.targets++
	if key := cgroup.UIDKey(found.UID); found.ContainerID == "" && s.pods[key] == nil {
		s.pods[key] = t
	}
	s.targets = append(s.targets, t)
	s.byFound[found] = t
}

func (s *source) remove(t *target, b *measure.Batch) {
	s.hide(t, b)
	t.reader.Close()
	delete(s.byFound, t.found)
	s.targets = slices.DeleteFunc(s.targets, func(other *target) bool { return other == t })
	if t.tree.targets--; t.tree.targets == 0 {
		delete(s.trees, t.found.Kubepods)
	}
	if t.found.ContainerID != "" {
		return
	}
	if t.pod != nil {
		t.tree.named--
	}
	if key := cgroup.UIDKey(t.found.UID); s.pods[key] == t {
		delete(s.pods, key)
		// The same pod may have a second cgroup, left by another driver.
		for _, other := range s.targets {
			if other.found.ContainerID == "" && cgroup.UIDKey(other.found.UID) == key {
				s.pods[key] = other
				break
			}
		}
	}
}

// name gives the targets the names that the directory has for them, and tells
// the discovery which are missing.
func (s *source) name(d *directory, b *measure.Batch) {
	// A list is about a target if it began after the target was seen.
	fresh := false
	for _, t := range s.targets {
		s.lookUp(t, d, b)
		if t.pod != nil {
			continue
		}
		if d != s.directory && d.err == nil && d.asked.After(t.since) {
			t.lists++
		}
		fresh = fresh || !t.missed
	}
	s.directory = d
	// With a name in one tree, a tree without any is that of another node.
	ours := false
	for _, tree := range s.trees {
		ours = ours || tree.named > 0
	}
	var missing []name
	named, unnamed, unknown := 0, 0, 0
	for _, t := range s.targets {
		foreign := ours && t.tree.named == 0
		if t.pod != nil {
			named++
		} else {
			unnamed++
			if t.lists > 0 {
				unknown++
			}
			if t.lists < enoughLists || t.found.ContainerID == "" && !foreign {
				missing = append(missing, name{uid: t.found.UID, containerID: t.found.ContainerID})
				t.missed = true
			}
		}
		switch shown := s.shows(t, foreign, b.Last); {
		case shown && t.series == nil:
			t.series = s.newSeries(t)
		case !shown:
			s.hide(t, b)
		}
	}
	s.self.named.Store(int64(named))
	s.self.unnamed.Store(int64(unnamed))
	s.discovery.miss(missing, fresh)
	s.judge(named, unknown)
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
			t.pod = known
		}
		return
	}
	if t.pod == nil {
		t.tree.named++
		s.hide(t, b) // what was shown without a name ends
	}
	t.pod = known
}

// shows decides whether a target has series. A pod without a name is shown by
// its UID alone, once the API server had its chance to tell the name, or in the
// last batch, lest what was held back is lost; but not a folder that may be
// something else, and not a pod of another node.
func (s *source) shows(t *target, foreign, last bool) bool {
	if t.found.ContainerID == "" && s.pods[cgroup.UIDKey(t.found.UID)] != t {
		return false // a second cgroup of the same pod
	}
	if t.pod != nil {
		return true
	}
	asked := last || t.lists > 0 || s.directory.err != nil
	return asked && t.found.ContainerID == "" && !foreign && cgroup.LikelyUID(t.found.UID)
}

// hide ends the series of a target.
func (s *source) hide(t *target, b *measure.Batch) {
	if t.series != nil {
		b.Retire(t.series.all...)
		t.series = nil
	}
}

// judge keeps what is wrong with the tree as a whole: unknown are the cgroups that
// the API server had its chance to name.
func (s *source) judge(named, unknown int) {
	var err error
	switch {
	case len(s.targets) == 0 && s.finder.Lost():
		err = errors.New("no cgroups of pods in sight: is the kubelet running, and is this the cgroup tree of its machine?")
	case named == 0 && unknown > 0:
		err = fmt.Errorf("the API server knows none of the pods whose cgroups are here: is k8s_node = %q the name of this node?", s.node)
	default:
		s.wrong.Store(nil)
		return
	}
	s.wrong.Store(&err)
}
