package simnode

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Sandbox is the name of the container that holds a pod together. Every pod has
// one, and it is in no status.
const Sandbox = "POD"

// Tree is a cgroup tree of plain files. Counters are kept to the nanosecond and
// are hierarchical: what a container spends is spent by its pod, the pod's QoS
// class and everything above, and stays counted there when the container or the
// pod is removed.
//
// It differs from a real tree in three points. Numbers that change have leading
// zeros, so that whoever reads while they are written never sees half of one. A
// file that a reader keeps open stays readable, with its last content, after its
// cgroup was removed. And the files of a new cgroup appear one after the other,
// within a moment, CPU time first.
//
// All methods may be called from any goroutine.
type Tree struct {
	dir    string
	layout Layout

	mu    sync.Mutex
	root  *group
	above map[string]*group // kubepods and what is above and beside it, by path
	pods  map[string]*treePod
	past  map[string]Counters // of removed pods
	pid   int
}

// treePod is a pod's cgroup and those of its containers, by name.
type treePod struct {
	*group
	containers map[string]*group
}

// NewTree makes a tree in a folder, which is made when it is not there. The
// tree has no pods yet, but the directories of the QoS classes.
func NewTree(dir string, layout Layout) (*Tree, error) {
	if layout.Version < V1 || layout.Version > Hybrid {
		return nil, fmt.Errorf("make a cgroup tree in %s: there is no cgroup version %d", dir, layout.Version)
	}
	t := &Tree{
		dir: dir, layout: layout, above: map[string]*group{},
		pods: map[string]*treePod{}, past: map[string]Counters{},
		pid: 1 << 22, // above the highest process ID that the kernel gives
	}
	var err error
	if t.root, err = t.create(nil, "", 0); err == nil {
		for _, qos := range []corev1.PodQOSClass{corev1.PodQOSGuaranteed, corev1.PodQOSBurstable, corev1.PodQOSBestEffort} {
			if _, err = t.parent(layout.QoS(qos)); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a cgroup tree in %s: %w", dir, err), t.Close())
	}
	return t, nil
}

// Root returns the tree's folder, which stands for /sys/fs/cgroup.
func (t *Tree) Root() string { return t.dir }

// parent returns the cgroup at a path above the pods and makes what is missing.
func (t *Tree) parent(p string) (*group, error) {
	if p == "." {
		return t.root, nil
	}
	if g := t.above[p]; g != nil {
		return g, nil
	}
	up, err := t.parent(path.Dir(p))
	if err != nil {
		return nil, err
	}
	g, err := t.create(up, p, 0)
	if err != nil {
		return nil, err
	}
	t.above[p] = g
	return g, nil
}

// AddPod makes the cgroups of a pod, of its sandbox and of every container that
// has an ID in its status.
func (t *Tree) AddPod(pod *corev1.Pod) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	uid := string(pod.UID)
	if t.pods[uid] != nil {
		return fmt.Errorf("add pod %s to the cgroup tree: it is there already", uid)
	}
	if err := t.addPod(uid, pod); err != nil {
		return fmt.Errorf("add pod %s to the cgroup tree: %w", uid, err)
	}
	return nil
}

func (t *Tree) addPod(uid string, pod *corev1.Pod) error {
	where := t.layout.Pod(pod.Status.QOSClass, CgroupUID(pod))
	up, err := t.parent(path.Dir(where))
	if err != nil {
		return err
	}
	g, err := t.create(up, where, 0)
	if err != nil {
		return err
	}
	p := &treePod{g, map[string]*group{}}
	t.pods[uid] = p
	if err := t.addContainer(p, Sandbox, randomHex(32)); err != nil {
		return err
	}
	for i := range pod.Status.ContainerStatuses {
		name := pod.Status.ContainerStatuses[i].Name
		if id, ok := ContainerID(pod, name); ok {
			if err := t.addContainer(p, name, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// AddContainer makes the cgroup of one more container; id is bare. It is how a
// container that was removed is started again.
func (t *Tree) AddContainer(uid, name, id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pods[uid]
	switch {
	case p == nil:
		return fmt.Errorf("add container %q to pod %s: the pod is not in the cgroup tree", name, uid)
	case p.containers[name] != nil:
		return fmt.Errorf("add container %q to pod %s: it is there already", name, uid)
	}
	return t.addContainer(p, name, id)
}

func (t *Tree) addContainer(p *treePod, name, id string) error {
	t.pid++
	g, err := t.create(p.group, path.Join(p.path, t.layout.Container(id)), t.pid)
	if err != nil {
		return fmt.Errorf("add container %q: %w", name, err)
	}
	p.containers[name] = g
	return g.populate(1)
}

// RemoveContainer removes a container's cgroup. Its memory is free, its CPU
// time stays in the pod.
func (t *Tree) RemoveContainer(uid, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, err := t.container(uid, name)
	if err != nil {
		return err
	}
	delete(t.pods[uid].containers, name)
	return t.removeContainer(g)
}

func (t *Tree) removeContainer(g *group) error {
	return errors.Join(g.setMemory(Memory{}), g.populate(-1), t.remove(g))
}

// RemovePod removes the cgroups of a pod and of the containers that it still
// has. Counters goes on returning its last counters.
func (t *Tree) RemovePod(uid string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pods[uid]
	if p == nil {
		return fmt.Errorf("remove pod %s: it is not in the cgroup tree", uid)
	}
	delete(t.pods, uid)
	var errs []error
	for _, g := range p.containers {
		errs = append(errs, t.removeContainer(g))
	}
	t.past[uid] = p.Counters
	return errors.Join(append(errs, t.remove(p.group))...)
}

// Spend adds CPU time to a container, on CPU 0.
func (t *Tree) Spend(uid, container string, user, system time.Duration) error {
	return t.SpendOn(0, uid, container, user, system)
}

// SpendOn adds CPU time to a container on one of the TreeCPUs.
func (t *Tree) SpendOn(cpu int, uid, container string, user, system time.Duration) error {
	if cpu < 0 || cpu >= TreeCPUs {
		return fmt.Errorf("spend CPU time in container %q of pod %s: there is no CPU %d", container, uid, cpu)
	}
	if user < 0 || system < 0 {
		return fmt.Errorf("spend CPU time in container %q of pod %s: %v user, %v system: time does not go back", container, uid, user, system)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	g, err := t.container(uid, container)
	if err != nil {
		return err
	}
	return g.spend(cpu, user, system)
}

// SetCPUs confines a pod to a list of CPUs such as "0-1", as version 2 shows it of the
// pod's own cgroup; version 1 has no such file here.
func (t *Tree) SetCPUs(uid, cpus string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pods[uid]
	if p == nil {
		return fmt.Errorf("confine pod %s: it is not in the cgroup tree", uid)
	}
	p.cpus = cpus
	return p.rewrite(cpuSet)
}

// SetMemory sets what a container has charged.
func (t *Tree) SetMemory(uid, container string, m Memory) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, err := t.container(uid, container)
	if err != nil {
		return err
	}
	return g.setMemory(m)
}

// Close closes the tree's files and leaves the folder as it is. The tree cannot
// be used any more.
func (t *Tree) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, p := range t.pods {
		for _, g := range p.containers {
			errs = append(errs, g.close())
		}
		errs = append(errs, p.close())
	}
	for _, g := range t.above {
		errs = append(errs, g.close())
	}
	if t.root != nil {
		errs = append(errs, t.root.close())
	}
	t.pods, t.above, t.root = nil, nil, nil
	return errors.Join(errs...)
}

// create makes a cgroup and its files in every hierarchy.
func (t *Tree) create(up *group, p string, pid int) (*group, error) {
	g := &group{parent: up, path: p, pid: pid, cpus: allCPUs}
	for _, hierarchy := range t.layout.Version.hierarchies() {
		dir := filepath.Join(t.dir, hierarchy, p)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, errors.Join(err, g.close())
		}
		for _, kind := range filesOf(t.layout.Version, hierarchy, up == nil) {
			f, err := createLive(filepath.Join(dir, kind.name), kind, g)
			if err != nil {
				return nil, errors.Join(err, g.close())
			}
			g.files = append(g.files, f)
		}
	}
	return g, nil
}

// remove takes a cgroup's directories away.
func (t *Tree) remove(g *group) error {
	errs := []error{g.close()}
	for _, hierarchy := range t.layout.Version.hierarchies() {
		errs = append(errs, os.RemoveAll(filepath.Join(t.dir, hierarchy, g.path)))
	}
	return errors.Join(errs...)
}
