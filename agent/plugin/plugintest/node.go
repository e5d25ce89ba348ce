package plugintest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// Node is a full node, as the k8s plugin measures it by default on control groups of version
// 2: benchmarks of outputs write its batches. Pods are those of Deployments, five of each, on a
// node that is mostly idle.
type Node struct {
	// Metrics are those that the k8s plugin declares.
	Metrics []*measure.Metric
	Pods    []NodePod

	random   *rand.Rand
	interval time.Duration
	end      time.Time
	batch    measure.Batch
}

// NodePod is a pod of a Node.
type NodePod struct {
	Namespace, Name, UID string
	// Series are those of CPU time and percent by kind, total, system and user in turns, and
	// then of memory.
	Series []*measure.Series

	memory [memories]uint64
}

const (
	// NodeName is the name of the node.
	NodeName = "worker-07"
	// NodePods is how many pods it has, as many as a kubelet admits by default.
	NodePods = 110
	// NodePoints is how many samples a batch has.
	NodePoints = NodePods * (2*cpuKinds + memories)

	cpuKinds, memories = 3, 5
)

// NewNode makes a full node. Two of them are the same.
func NewNode() *Node {
	n := &Node{random: rand.New(rand.NewPCG(8, 110)), interval: 5 * time.Second, end: time.Date(2026, 3, 1, 12, 0, 0, 250_000, time.UTC)}
	identity := []string{"name", "namespace", "node", "uid"}
	withKind := append([]string{"kind"}, identity...)
	n.Metrics = []*measure.Metric{
		{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta, Help: "CPU time spent by the pod", Attributes: withKind},
		{Name: "cpu_percent", Unit: measure.Percent, Help: "CPU time spent by the pod over time passed, where 100 is one core fully used", Attributes: withKind},
		{Name: "memory_usage", Unit: measure.Byte, Help: "Memory charged to the pod, with its share of the page cache", Attributes: identity},
		{Name: "cgroup_memory_anonymous", Unit: measure.Byte, Help: "Anonymous memory of the pod", Attributes: identity},
		{Name: "cgroup_memory_file", Unit: measure.Byte, Help: "Page cache of the pod, with tmpfs and shared memory", Attributes: identity},
		{Name: "cgroup_memory_kernel_stack", Unit: measure.Byte, Help: "Kernel stacks of the pod", Attributes: identity},
		{Name: "cgroup_memory_pagetables", Unit: measure.Byte, Help: "Page tables of the pod", Attributes: identity},
	}
	workloads := []string{"frontend", "checkout", "payment-gateway", "recommendation", "search-api", "inventory", "email-worker", "otel-collector"}
	namespaces := []string{"shop", "shop", "payments", "shop", "search", "shop", "mail", "observability"}
	for i := range NodePods {
		workload := i / 5
		name := workloads[workload%len(workloads)]
		if round := workload / len(workloads); round > 0 {
			name = fmt.Sprintf("%s-v%d", name, round+1)
		}
		template := rand.New(rand.NewPCG(uint64(workload), 1)) // of the ReplicaSet
		p := NodePod{
			Namespace: namespaces[workload%len(namespaces)],
			Name:      fmt.Sprintf("%s-%s-%s", name, suffix(template, 10), suffix(n.random, 5)),
			UID: fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", n.random.Uint32(), n.random.IntN(1<<16), n.random.IntN(1<<12),
				n.random.IntN(1<<12), n.random.Uint64N(1<<48)),
		}
		p.Series = n.seriesOf(&p)
		for m := range p.memory {
			p.memory[m] = n.random.Uint64N(1<<16>>(2*m)) * 4096
		}
		n.Pods = append(n.Pods, p)
	}
	return n
}

// suffix is random, of the letters that Kubernetes takes.
func suffix(random *rand.Rand, length int) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	text := make([]byte, length)
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}

func (n *Node) seriesOf(p *NodePod) (all []*measure.Series) {
	identity := []measure.Attribute{{Key: "name", Value: p.Name}, {Key: "namespace", Value: p.Namespace}, {Key: "node", Value: NodeName}, {Key: "uid", Value: p.UID}}
	add := func(m *measure.Metric, attributes []measure.Attribute) {
		all = append(all, &measure.Series{
			Metric: m, Resource: measure.Resource{Kind: measure.LocalMachine}, Attributes: attributes,
			Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/kubepods/burstable/pod" + p.UID},
		})
	}
	for _, kind := range [cpuKinds]string{"total", "system", "user"} {
		attributes := append([]measure.Attribute{{Key: "kind", Value: kind}}, identity...)
		add(n.Metrics[0], attributes)
		add(n.Metrics[1], attributes)
	}
	for _, m := range n.Metrics[2:] {
		add(m, identity)
	}
	return all
}

// Tick returns the batch of the next window of 5 s, which is good until the next one. Every
// pod used some CPU time, counted in microseconds; the memory of one in four is another than
// before.
func (n *Node) Tick() *measure.Batch {
	b := &n.batch
	b.Reset(n.interval, n.end, n.end.Add(n.interval))
	n.end = b.End
	for i := range n.Pods {
		p := &n.Pods[i]
		system, user := n.random.Uint64N(20_000)*1000, n.random.Uint64N(200_000)*1000
		for kind, spent := range [cpuKinds]uint64{system + user, system, user} {
			b.Uint(p.Series[2*kind], spent)
			b.Float(p.Series[2*kind+1], 100*float64(spent)/float64(n.interval))
		}
		changes := n.random.IntN(4) == 0
		for m := range p.memory {
			if changes {
				p.memory[m] += n.random.Uint64N(64) * 4096
			}
			b.Uint(p.Series[2*cpuKinds+m], p.memory[m])
		}
	}
	return b
}
