package k8s

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// annotationHash is where a static pod's mirror in the API carries the UID that
// the kubelet gave the pod itself, the one in the names of cgroups.
const annotationHash = "kubernetes.io/config.hash"

// pod is what the API server tells about a pod, as far as it is used. It is never
// changed once it is made.
type pod struct {
	uid, hash, name, namespace string              // hash is a mirror's
	containers                 map[string]string   // container id → name
	attributes                 []measure.Attribute // that are chosen, sorted by key
}

// newPod takes what is used of a pod, or returns nil for one of another node, as a
// server may ignore the selector.
func newPod(node string, p *corev1.Pod) *pod {
	if p.Spec.NodeName != node || p.UID == "" {
		return nil
	}
	known := &pod{
		uid: string(p.UID), hash: p.Annotations[annotationHash],
		name: p.Name, namespace: p.Namespace, containers: make(map[string]string),
	}
	for _, statuses := range [][]corev1.ContainerStatus{
		p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses,
	} {
		for i := range statuses {
			c := &statuses[i]
			known.nameContainer(c.Name, c.ContainerID, terminatedID(c.State), terminatedID(c.LastTerminationState))
		}
	}
	return known
}

// nameContainer enters the ids of a container, as runtime://id: its own, and those
// that it had before its last restarts.
func (p *pod) nameContainer(name string, ids ...string) {
	for _, id := range ids {
		if _, id, ok := strings.Cut(id, "://"); ok && id != "" {
			p.containers[id] = name
		}
	}
}

// directory is the pods of the node as the API server told them last. It is
// never changed once it is made.
type directory struct {
	pods map[string]*pod // by cgroup.UIDKey, of the UID and of a mirror's hash
	// asked is the moment as of which the pods are known, well or not; zero
	// before the first answer.
	asked time.Time
	// err is why nothing newer is known.
	err error
}

func terminatedID(s corev1.ContainerState) string {
	if s.Terminated == nil {
		return ""
	}
	return s.Terminated.ContainerID
}

// find returns the pod with the UID that a cgroup's name carries.
func (d *directory) find(uid string) *pod { return d.pods[cgroup.UIDKey(uid)] }

// name is what is missing of a cgroup that has no name yet: its pod's UID and,
// for a container, its id.
type name struct {
	uid, containerID string
}

// has reports whether the directory knows a name.
func (d *directory) has(n name) bool {
	p := d.find(n.uid)
	if p == nil || n.containerID == "" {
		return p != nil
	}
	_, ok := p.containers[n.containerID]
	return ok
}
