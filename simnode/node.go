package simnode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// NodeName is the name of a node that Start makes.
const NodeName = "podjoule-demo"

const (
	// nodeStep is how often a running node does what is due.
	nodeStep = 40 * time.Millisecond
	// endPause is how long a pod without processes keeps its sandbox, and then
	// its cgroup, as it does on a real node.
	endPause = 300 * time.Millisecond
)

// Mode says where the pods of a node run.
type Mode uint8

// Auto takes real cgroups where they can be had and a simulated tree elsewhere.
const (
	Auto Mode = iota
	Real
	Simulated
)

// Options say what node to start.
type Options struct {
	Mode Mode
	// Command is the command line of a pod's process, a program that calls
	// Burn. Without it there are no real cgroups.
	Command []string
	// Root is the machine's cgroup tree; empty means /sys/fs/cgroup.
	Root string
	// Script is what happens; nil means DemoScript.
	Script []ScriptedPod
}

// Node is a node whose pods follow a script. Its methods may be called from any
// goroutine.
type Node struct {
	api     *API
	url     string
	place   place
	machine *machine
	text    string // what Describe returns
	started time.Time

	mu   sync.Mutex
	pods []*actor
}

// Truth is what a pod has really used up to now.
type Truth struct {
	UID, Namespace, Name string
	// Alive is false once the pod's containers have ended.
	Alive bool
	// CPU is its CPU time so far, user and system.
	CPU time.Duration
	// User and System are its parts, if SplitKnown.
	User, System time.Duration
	SplitKnown   bool
	// Memory is what is charged to the pod in bytes, if MemoryKnown.
	Memory      uint64
	MemoryKnown bool
	// Held are the bytes of anonymous memory that the script holds in the pod
	// while it is alive, which is a part of what is charged.
	Held uint64
	// Energy is what the CPU time so far costs on the node's simulated meter, in µJ:
	// CoreWatts for each second.
	Energy uint64
}

// Start makes a node, serves its API and starts the pods that are there from
// the beginning. Before that, it removes what runs left that were killed.
func Start(ctx context.Context, o Options) (*Node, error) {
	if o.Root == "" {
		o.Root = "/sys/fs/cgroup"
	}
	if o.Script == nil {
		o.Script = DemoScript()
	}
	n := &Node{api: NewAPI()}
	for _, p := range o.Script {
		p.Node = NodeName
		n.pods = append(n.pods, &actor{ScriptedPod: p, pod: NewPod(p.PodTemplate)})
	}
	left := Clear(o.Root)
	if err := n.settle(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start a simulated node: %w", err), n.Close())
	}
	n.text += " " + n.machine.describe()
	if left != nil {
		n.text += fmt.Sprintf(" What an earlier run left could not be removed: %s.", oneLine(left))
	}
	return n, nil
}

// settle finds a place for the pods, starts the first of them and the API.
func (n *Node) settle(ctx context.Context, o Options) error {
	reason := errors.New("a simulated tree was asked for")
	if o.Mode != Simulated {
		var cgroups *Cgroups
		if cgroups, reason = NewCgroups(o.Root, o.Command); reason == nil {
			if reason = n.begin(ctx, cgroups); reason == nil {
				n.text = cgroups.describe()
				return n.serve()
			}
			reason = errors.Join(reason, n.Close())
			for _, a := range n.pods {
				a.stage = waiting
			}
		}
		if o.Mode == Real || ctx.Err() != nil {
			return reason
		}
	}
	simulation, err := newSimulation()
	if err != nil {
		return err
	}
	if err := n.begin(ctx, simulation); err != nil {
		return err
	}
	n.text = simulation.describe() + fmt.Sprintf(" Real cgroups are not used: %s.", oneLine(reason))
	return n.serve()
}

// oneLine writes joined errors side by side.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// begin starts the pods that are there from the beginning.
func (n *Node) begin(ctx context.Context, where place) error {
	n.place, n.started = where, time.Now()
	for _, a := range n.pods {
		if err := ctx.Err(); err != nil {
			return err
		}
		if a.Born > 0 {
			continue
		}
		if err := n.bear(a); err != nil {
			return err
		}
	}
	n.started = time.Now()
	return nil
}

// serve makes what stands around the pods: the machine, and the API.
func (n *Node) serve() (err error) {
	if n.machine, err = newMachine(n.started); err != nil {
		return err
	}
	n.url, err = n.api.Listen()
	return err
}

// API returns the node's API server.
func (n *Node) API() *API { return n.api }

// APIURL returns the base URL of the node's API server, which asks for no token.
func (n *Node) APIURL() string { return n.url }

// CgroupRoot returns the root of the cgroup tree in which the pods are.
func (n *Node) CgroupRoot() string { return n.place.Root() }

// SysfsRoot returns the folder that stands for /sys, in which the energy meter is.
func (n *Node) SysfsRoot() string { return n.machine.sysfs() }

// ProcfsRoot returns the folder that stands for /proc. It has the first line of stat, and
// nothing else.
func (n *Node) ProcfsRoot() string { return n.machine.procfs() }

// Real tells whether processes really run.
func (n *Node) Real() bool {
	_, ok := n.place.(*Cgroups)
	return ok
}

// Describe says in a few sentences what is measured and where it comes from.
func (n *Node) Describe() string { return n.text }

// Run plays the script until the context ends, and then returns nil. It returns
// an error when a pod cannot be started, or ends by itself.
func (n *Node) Run(ctx context.Context) error {
	ticker := time.NewTicker(nodeStep)
	defer ticker.Stop()
	for {
		err := n.step(time.Now())
		if err == nil {
			_, err = n.Count()
		}
		if err != nil {
			return fmt.Errorf("run a simulated node: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (n *Node) step(now time.Time) error {
	if err := n.place.step(now); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.pods {
		if err := n.advance(a, now.Sub(n.started)); err != nil {
			return err
		}
	}
	return nil
}

// Count has the energy meter count up to now, as a real one does by itself each
// millisecond, and returns the truth of that moment. Run calls it now and then; whoever is
// about to read the meter calls it first, so that what is read of it and of the pods
// belongs to one moment, however busy this machine is.
func (n *Node) Count() ([]Truth, error) {
	now, truth := time.Now(), n.Truth()
	var pods time.Duration
	for _, t := range truth {
		pods += t.CPU
	}
	return truth, n.machine.step(now, pods)
}

// Truth returns what every pod that was born has used up to now, in the order
// of the script. A pod that has ended stays, with its last numbers.
func (n *Node) Truth() []Truth {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []Truth
	for _, a := range n.pods {
		if a.stage == waiting {
			continue
		}
		t := Truth{UID: string(a.pod.UID), Namespace: a.pod.Namespace, Name: a.pod.Name, Alive: a.stage == running}
		if t.Alive {
			t.Held = a.held()
		}
		n.place.truth(t.UID, &t)
		t.Energy = costOf(t.CPU)
		out = append(out, t)
	}
	return out
}

// Close ends all pods, removes their cgroups or folders, and stops the API.
// It is for after Run has returned.
func (n *Node) Close() error {
	err := n.api.Close()
	if n.machine != nil {
		err = errors.Join(n.machine.close(), err)
	}
	if n.place != nil {
		err = errors.Join(n.place.Close(), err)
	}
	if err != nil {
		return fmt.Errorf("close the simulated node: %w", err)
	}
	return nil
}

// bear lets a pod appear in the API, run, and appear as running.
func (n *Node) bear(a *actor) error {
	pending := a.pod.DeepCopy()
	pending.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: a.pod.Status.QOSClass}
	n.api.Put(pending)
	if err := n.place.AddPod(a.pod, a.Loads); err != nil {
		return err
	}
	n.api.Put(a.pod)
	a.stage = running
	return nil
}
