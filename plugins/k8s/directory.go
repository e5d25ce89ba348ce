package k8s

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/cgroup"
)

// annotationHash is where a static pod's mirror in the API carries the UID that
// the kubelet gave the pod itself, the one in the names of cgroups.
const annotationHash = "kubernetes.io/config.hash"

// pod is what the API server tells about a pod, as far as it is used.
type pod struct {
	uid, name, namespace string
	containers           map[string]string // container id → name
}

// directory is the pods of the node as the API server told them last. It is
// never changed once it is made.
type directory struct {
	pods map[string]*pod // by cgroup.UIDKey, of the UID and of a mirror's hash
	// asked is when the last list began that has ended, well or not; zero
	// before the first.
	asked time.Time
	// err is why that list failed.
	err error
}

// newDirectory indexes the pods of a node.
func newDirectory(node string, list []corev1.Pod, asked time.Time) *directory {
	d := &directory{pods: make(map[string]*pod, len(list)), asked: asked}
	for i := range list {
		p := &list[i]
		if p.Spec.NodeName != node || p.UID == "" {
			continue // a server may ignore the selector
		}
		known := &pod{uid: string(p.UID), name: p.Name, namespace: p.Namespace, containers: containersOf(&p.Status)}
		d.pods[cgroup.UIDKey(known.uid)] = known
		if hash := p.Annotations[annotationHash]; hash != "" {
			d.pods[cgroup.UIDKey(hash)] = known
		}
	}
	return d
}

// containersOf returns the names of a pod's containers of all sorts, the ones
// before their last restart included.
func containersOf(s *corev1.PodStatus) map[string]string {
	names := make(map[string]string)
	for _, statuses := range [][]corev1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses, s.EphemeralContainerStatuses} {
		for i := range statuses {
			c := &statuses[i]
			for _, id := range []string{c.ContainerID, terminatedID(c.State), terminatedID(c.LastTerminationState)} {
				if _, id, ok := strings.Cut(id, "://"); ok && id != "" {
					names[id] = c.Name
				}
			}
		}
	}
	return names
}

func terminatedID(s corev1.ContainerState) string {
	if s.Terminated == nil {
		return ""
	}
	return s.Terminated.ContainerID
}

// failed returns the same directory after a list that failed.
func (d *directory) failed(err error, asked time.Time) *directory {
	return &directory{pods: d.pods, asked: asked, err: err}
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
