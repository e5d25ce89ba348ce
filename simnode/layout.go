package simnode

import (
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Version is a version of cgroups.
type Version uint8

// V1 has one hierarchy per controller, V2 one for all. Hybrid is V1 with a V2
// hierarchy beside it, below "unified", that has no controllers.
const (
	V1 Version = iota + 1
	V2
	Hybrid
)

// String returns "v1", "v2" or "hybrid".
func (v Version) String() string { return [...]string{"none", "v1", "v2", "hybrid"}[v] }

// hierarchies are the folders below the root that hold one tree each.
func (v Version) hierarchies() []string {
	switch v {
	case V1:
		return []string{"cpuacct", "cpu", "memory"}
	case Hybrid:
		return []string{"cpuacct", "cpu", "memory", "unified"}
	}
	return []string{""}
}

// Driver is how the kubelet names cgroups.
type Driver uint8

// Cgroupfs joins the parts of a name with slashes, Systemd makes slices and
// scopes of them.
const (
	Cgroupfs Driver = iota
	Systemd
)

// Runtime is the container runtime, which names the containers' cgroups.
type Runtime uint8

// The runtimes that are known.
const (
	Containerd Runtime = iota
	CRIO
	Docker
	Podman
)

// Layout says where the cgroups of pods are and how they are named.
type Layout struct {
	Version Version
	Driver  Driver
	Runtime Runtime
	// Prefix is a directory below each hierarchy's root in which the node
	// itself runs, such as "docker/<64 hex digits>"; empty on a plain node.
	Prefix string
	// KubeletRoot is the kubelet's --cgroup-root, such as "/kubelet" on kind;
	// it becomes part of the names. Empty on a plain node.
	KubeletRoot string
}

// Kubepods returns the directory of all pods, below a hierarchy's root.
func (l Layout) Kubepods() string { return l.render("kubepods") }

// QoS returns the directory of a QoS class. Guaranteed pods have none of their
// own: for them it is the directory of all pods.
func (l Layout) QoS(qos corev1.PodQOSClass) string {
	return l.render(append([]string{"kubepods"}, qosParts(qos)...)...)
}

// Pod returns the directory of a pod; uid is the one that CgroupUID returns.
func (l Layout) Pod(qos corev1.PodQOSClass, uid string) string {
	return l.render(append(append([]string{"kubepods"}, qosParts(qos)...), "pod"+uid)...)
}

// Container returns the name of a container's directory in that of its pod; id
// is bare, without the runtime's name before it.
func (l Layout) Container(id string) string {
	if l.Driver == Systemd {
		return [...]string{"cri-containerd-", "crio-", "docker-", "libpod-"}[l.Runtime] + id + ".scope"
	}
	return [...]string{"", "crio-", "", "libpod-"}[l.Runtime] + id
}

func qosParts(qos corev1.PodQOSClass) []string {
	switch qos {
	case corev1.PodQOSGuaranteed:
		return nil
	case corev1.PodQOSBurstable:
		return []string{"burstable"}
	}
	return []string{"besteffort"}
}

// render makes a path of the parts of a name, as the kubelet's driver does.
func (l Layout) render(parts ...string) string {
	if root := strings.Trim(l.KubeletRoot, "/"); root != "" {
		parts = append(strings.Split(root, "/"), parts...)
	}
	if l.Driver == Cgroupfs {
		return path.Join(append([]string{l.Prefix}, parts...)...)
	}
	dir, name := l.Prefix, ""
	for _, part := range parts {
		// A dash separates the slices within a slice's name.
		name += strings.ReplaceAll(part, "-", "_")
		dir = path.Join(dir, name+".slice")
		name += "-"
	}
	return dir
}
