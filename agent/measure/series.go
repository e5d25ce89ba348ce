package measure

// Kinds of resources and consumers.
const (
	LocalMachine = "local_machine"
	Cgroup       = "cgroup"
	// TerminatedPods are the consumers of what a node's pods used together beyond
	// what is told of each: pods that ended, or were never seen, took it with them.
	TerminatedPods = "terminated_pods"
)

// Resource is what was used: the machine as a whole, or one part of it.
type Resource struct {
	// Kind is "local_machine", "cpu_package", "dram", "gpu" and so on.
	Kind string
	// ID tells parts of one kind apart; empty for the machine.
	ID string
}

// Consumer is who used it.
type Consumer struct {
	// Kind is "local_machine", "cgroup", "terminated_pods" or "process".
	Kind string
	// ID is the path of the cgroup, or of the one that holds the pods, or the process
	// id; empty for the machine.
	ID string
}

// Attribute is one key and its value.
type Attribute struct {
	Key, Value string
}

// Series identifies the samples that belong together over time. A source makes
// it once, when the thing it measures appears, and hands the same pointer to
// every batch until the thing is gone (see Batch.Retire). Outputs may use the
// pointer as a key; two live series never have the same identity.
type Series struct {
	Metric   *Metric
	Resource Resource
	Consumer Consumer
	// Attributes are sorted by key. A key that is not known is left out.
	Attributes []Attribute
}

// Attribute returns the value of an attribute, and whether the series has it.
func (s *Series) Attribute(key string) (string, bool) {
	for i := range s.Attributes {
		if s.Attributes[i].Key == key {
			return s.Attributes[i].Value, true
		}
	}
	return "", false
}
