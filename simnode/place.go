package simnode

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// place is where the pods of a node run.
type place interface {
	AddPod(pod *corev1.Pod, loads map[string]Load) error
	RemoveContainer(uid, name string) error
	RemovePod(uid string) error
	// Root is what stands for /sys/fs/cgroup.
	Root() string
	// describe is one sentence on where the numbers come from.
	describe() string
	// step does what is due now, and reports what went wrong by itself.
	step(now time.Time) error
	// truth fills in what a pod has used.
	truth(uid string, t *Truth)
	Close() error
}

func (c *Cgroups) describe() string {
	return fmt.Sprintf("Real processes in real cgroups of this machine (%s, %s below %s); the truth is what the processes' own CPU clocks show.",
		c.version, c.run, c.root)
}

// step only looks, since real processes follow their loads by themselves.
func (c *Cgroups) step(time.Time) error { return c.Check() }

func (c *Cgroups) truth(uid string, t *Truth) { t.CPU, _ = c.CPU(uid) }

// simulation is a place where nothing runs: loads are written into a tree as
// time goes by.
type simulation struct {
	*Tree

	mu   sync.Mutex
	pods map[string]*simulatedPod
}

type simulatedPod struct {
	born  time.Time
	loads map[string]Load
	spent map[string]Counters // by container
}

// newSimulation makes a tree in a new folder for temporary files.
func newSimulation() (*simulation, error) {
	name, err := runName(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("make a cgroup tree: %w", err)
	}
	dir, err := os.MkdirTemp("", demoDir+"-"+name+"-*")
	if err != nil {
		return nil, fmt.Errorf("make a cgroup tree: %w", err)
	}
	tree, err := NewTree(dir, Layout{Version: V2, Driver: Systemd})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &simulation{Tree: tree, pods: map[string]*simulatedPod{}}, nil
}

func (s *simulation) describe() string {
	return fmt.Sprintf("A simulated cgroup tree of plain files in %s; nothing really runs, and the truth is what was written.", s.Root())
}

func (s *simulation) AddPod(pod *corev1.Pod, loads map[string]Load) error {
	for name, load := range loads {
		if err := load.Validate(); err != nil {
			return fmt.Errorf("run pod %s/%s: container %q: %w", pod.Namespace, pod.Name, name, err)
		}
	}
	if err := s.Tree.AddPod(pod); err != nil {
		return err
	}
	uid := string(pod.UID)
	p := &simulatedPod{born: time.Now(), loads: map[string]Load{}, spent: map[string]Counters{}}
	for _, c := range pod.Spec.Containers {
		// What any process has, and what the load holds.
		m := Memory{Anon: 1<<20 + loads[c.Name].Memory, File: 512 << 10, KernelStack: 64 << 10, PageTables: 128 << 10, Slab: 96 << 10}
		if err := s.SetMemory(uid, c.Name, m); err != nil {
			return err
		}
		p.loads[c.Name] = loads[c.Name]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pods[uid] = p
	return nil
}

func (s *simulation) RemoveContainer(uid, name string) error {
	s.mu.Lock()
	if p := s.pods[uid]; p != nil {
		delete(p.loads, name)
	}
	s.mu.Unlock()
	return s.Tree.RemoveContainer(uid, name)
}

func (s *simulation) RemovePod(uid string) error {
	s.mu.Lock()
	delete(s.pods, uid)
	s.mu.Unlock()
	return s.Tree.RemovePod(uid)
}

// step spends what the loads ask for up to now.
func (s *simulation) step(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uid, p := range s.pods {
		for name, load := range p.loads {
			user, system := load.At(now.Sub(p.born))
			last := p.spent[name]
			if user+system == last.CPU() {
				continue
			}
			if err := s.Spend(uid, name, user-last.User, system-last.System); err != nil {
				return err
			}
			p.spent[name] = Counters{User: user, System: system}
		}
	}
	return nil
}

func (s *simulation) truth(uid string, t *Truth) {
	c, _ := s.Counters(uid)
	t.CPU, t.User, t.System, t.Memory = c.CPU(), c.User, c.System, c.Memory.Usage()
	t.SplitKnown, t.MemoryKnown = true, t.Alive
}

// Close removes the folder.
func (s *simulation) Close() error {
	return errors.Join(s.Tree.Close(), os.RemoveAll(s.Root()))
}
