package simnode

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// demoDir is the one directory below a hierarchy's root in which all else is.
const demoDir = "podjoule-demo"

// Cgroups runs pods as real processes in real cgroups of this machine, below
// podjoule-demo/<process ID>-<start time of the process> in every hierarchy.
//
// The true CPU time of a pod is what the CPU clocks of its processes show, which
// is independent of any cgroup. All methods may be called from any goroutine.
type Cgroups struct {
	root        string
	version     Version
	hierarchies []string // absolute paths
	run         string   // below each of them
	command     []string
	layout      Layout

	mu   sync.Mutex
	pods map[string]*realPod
	past map[string]time.Duration
}

// realPod is a pod's cgroup and what runs in it.
type realPod struct {
	name       string // with its namespace
	path       string // below each hierarchy
	containers map[string]*realContainer
	gone       time.Duration // CPU time of processes that have ended
}

type realContainer struct {
	path    string
	process *process // nil in the sandbox
}

// NewCgroups makes a directory for this process in the cgroup tree at root,
// usually /sys/fs/cgroup. Command is the command line of a program that calls
// Burn. An error says why real cgroups cannot be had here; then nothing is left.
func NewCgroups(root string, command []string) (*Cgroups, error) {
	if len(command) == 0 {
		return nil, errors.New("make cgroups: there is no command line for the pods' processes")
	}
	version, hierarchies, err := findHierarchies(root)
	if err != nil {
		return nil, fmt.Errorf("make cgroups: %w", err)
	}
	name, err := runName(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("make cgroups: %w", err)
	}
	c := &Cgroups{
		root: root, version: version, hierarchies: hierarchies, command: command,
		run:  path.Join(demoDir, name),
		pods: map[string]*realPod{}, past: map[string]time.Duration{},
	}
	c.layout = Layout{Version: version, Prefix: c.run}
	// A run that ends at the same time may take the empty parent away.
	for range 10 {
		if err = c.makeDir(c.run); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make cgroups: %w", err), c.Close())
	}
	return c, nil
}

// dirs returns the directories of a cgroup in all hierarchies.
func (c *Cgroups) dirs(p string) []string {
	out := make([]string, len(c.hierarchies))
	for i, hierarchy := range c.hierarchies {
		out[i] = filepath.Join(hierarchy, p)
	}
	return out
}

// Root returns the root of the cgroup tree.
func (c *Cgroups) Root() string { return c.root }

// Run returns the directory of this run, below each hierarchy's root.
func (c *Cgroups) Run() string { return c.run }

// Version returns the version of the cgroups that are used: V1 or V2.
func (c *Cgroups) Version() Version { return c.version }

// PodDir returns the directory of a pod below each hierarchy's root.
func (c *Cgroups) PodDir(uid string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pods[uid]
	if p == nil {
		return "", false
	}
	return p.path, true
}

// AddPod makes the cgroups of a pod and starts a process in that of every
// container, with the load of the container's name. When it fails, nothing of
// the pod is left.
func (c *Cgroups) AddPod(pod *corev1.Pod, loads map[string]Load) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	uid := string(pod.UID)
	if c.pods[uid] != nil {
		return fmt.Errorf("run pod %s/%s: it runs already", pod.Namespace, pod.Name)
	}
	where := c.layout.Pod(pod.Status.QOSClass, CgroupUID(pod))
	p := &realPod{name: podKey(pod.Namespace, pod.Name), path: where, containers: map[string]*realContainer{}}
	c.pods[uid] = p
	err := c.makeDir(where)
	if err == nil {
		err = c.addContainer(p, Sandbox, randomHex(32), nil)
	}
	for i := range pod.Status.ContainerStatuses {
		name := pod.Status.ContainerStatuses[i].Name
		id, ok := ContainerID(pod, name)
		if err != nil || !ok {
			continue
		}
		load := loads[name]
		err = c.addContainer(p, name, id, &load)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("run pod %s/%s: %w", pod.Namespace, pod.Name, err), c.removePod(uid))
	}
	return nil
}

// addContainer makes the cgroup of a container and, with a load, its process.
func (c *Cgroups) addContainer(p *realPod, name, id string, load *Load) error {
	r := &realContainer{path: path.Join(p.path, c.layout.Container(id))}
	dirs := c.dirs(r.path)
	p.containers[name] = r
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if load == nil {
		return nil
	}
	var err error
	if err = load.Validate(); err == nil {
		r.process, err = startProcess(c.command, c.version == V2, dirs, *load)
	}
	if err != nil {
		return fmt.Errorf("container %q: %w", name, err)
	}
	return nil
}

// RemoveContainer ends a container's process and removes its cgroup.
func (c *Cgroups) RemoveContainer(uid, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pods[uid]
	if p == nil || p.containers[name] == nil {
		return fmt.Errorf("remove container %q of pod %s: there is no such container", name, uid)
	}
	return c.removeContainer(p, name)
}

func (c *Cgroups) removeContainer(p *realPod, name string) error {
	r := p.containers[name]
	delete(p.containers, name)
	var err error
	if r.process != nil {
		err = r.process.stop()
		p.gone += r.process.cpu()
	}
	return errors.Join(err, removeCgroups(c.dirs(r.path)))
}

// RemovePod ends what is left of a pod and removes its cgroup.
func (c *Cgroups) RemovePod(uid string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pods[uid] == nil {
		return fmt.Errorf("remove pod %s: it does not run", uid)
	}
	return c.removePod(uid)
}

func (c *Cgroups) removePod(uid string) error {
	p := c.pods[uid]
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(p.containers)) {
		errs = append(errs, c.removeContainer(p, name))
	}
	delete(c.pods, uid)
	c.past[uid] = p.gone
	return errors.Join(append(errs, removeCgroups(c.dirs(p.path)))...)
}

// CPU returns the CPU time that the processes of a pod have used in its cgroup,
// and whether there is or was such a pod.
func (c *Cgroups) CPU(uid string) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pods[uid]
	if p == nil {
		cpu, ok := c.past[uid]
		return cpu, ok
	}
	cpu := p.gone
	for _, r := range p.containers {
		if r.process != nil {
			cpu += r.process.cpu()
		}
	}
	return cpu, true
}

// Check reports a process that has ended although it should run.
func (c *Cgroups) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, uid := range slices.Sorted(maps.Keys(c.pods)) {
		for name, r := range c.pods[uid].containers {
			if r.process == nil {
				continue
			}
			if err := r.process.failure(); err != nil {
				return fmt.Errorf("container %q of pod %s: %w", name, c.pods[uid].name, err)
			}
		}
	}
	return nil
}

// Close ends all processes and removes all directories of this run, and the
// common one above them unless another run is in it.
func (c *Cgroups) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, uid := range slices.Sorted(maps.Keys(c.pods)) {
		errs = append(errs, c.removePod(uid))
	}
	for _, hierarchy := range c.hierarchies {
		errs = append(errs, removeTree(filepath.Join(hierarchy, c.run)), removeEmpty(filepath.Join(hierarchy, demoDir)))
	}
	return errors.Join(errs...)
}
