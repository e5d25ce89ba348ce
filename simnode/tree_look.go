package simnode

import (
	"fmt"
	"path/filepath"
)

// Counters returns what a pod has used, and whether there is or was such a pod.
func (t *Tree) Counters(uid string) (Counters, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.pods[uid]; p != nil {
		return p.Counters, true
	}
	c, ok := t.past[uid]
	return c, ok
}

// ContainerCounters returns what a container has used, and whether it is there.
func (t *Tree) ContainerCounters(uid, container string) (Counters, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, err := t.container(uid, container)
	if err != nil {
		return Counters{}, false
	}
	return g.Counters, true
}

// PodDir returns the directory of a pod in one hierarchy: "cpuacct", "cpu",
// "memory" or "unified"; "" for v2.
func (t *Tree) PodDir(uid, hierarchy string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pods[uid]
	if p == nil {
		return "", false
	}
	return filepath.Join(t.dir, hierarchy, p.path), true
}

// ContainerDir is PodDir for a container.
func (t *Tree) ContainerDir(uid, container, hierarchy string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, err := t.container(uid, container)
	if err != nil {
		return "", false
	}
	return filepath.Join(t.dir, hierarchy, g.path), true
}

func (t *Tree) container(uid, name string) (*group, error) {
	p := t.pods[uid]
	if p == nil {
		return nil, fmt.Errorf("find container %q of pod %s: the pod is not in the cgroup tree", name, uid)
	}
	g := p.containers[name]
	if g == nil {
		return nil, fmt.Errorf("find container %q of pod %s: the pod has no such container", name, uid)
	}
	return g, nil
}
