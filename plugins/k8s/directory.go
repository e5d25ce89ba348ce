package k8s

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// annotationHash is where a static pod's mirror in the API carries the UID that
// the kubelet gave the pod itself, the one in the names of cgroups.
const annotationHash = "kubernetes.io/config.hash"

// annotationEnd is on the bookmark that ends the list with which a watch begins.
const annotationEnd = metav1.InitialEventsAnnotationKey

// pod is what the API server tells about a pod, as far as it is used. It is never
// changed once it is made.
type pod struct {
	uid, hash, name, namespace string              // hash is a mirror's
	containers                 map[string]string   // container id → name
	attributes                 []measure.Attribute // that are chosen, sorted by key
	requests                   *requests           // nil where they are not wanted
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
