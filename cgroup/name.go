package cgroup

import (
	"path"
	"strings"
)

// QoS is the quality-of-service class of a pod, told by its place in the tree.
type QoS uint8

const (
	// Guaranteed pods lie directly below kubepods.
	Guaranteed QoS = iota
	// Burstable pods have requests below their limits.
	Burstable
	// BestEffort pods have neither.
	BestEffort
)

// String returns the name that Kubernetes uses in status.qosClass.
func (q QoS) String() string {
	return [...]string{"Guaranteed", "Burstable", "BestEffort"}[q]
}

// word is the part of folder names that stands for the class.
func (q QoS) word() string {
	return [...]string{"", "burstable", "besteffort"}[q]
}

// Identity is what the path of a cgroup tells about whose it is.
type Identity struct {
	// Kubepods is the path of the kubelet's own cgroup, the root of all pods
	// of one node. One tree can hold several: nodes of a kind cluster, say.
	Kubepods string
	// UID is the pod's. For a static pod it is the hash of its manifest.
	UID string
	QoS QoS
	// ContainerID is empty for the cgroup of the pod itself.
	ContainerID string
	// Runtime is the prefix that the container runtime puts before the id,
	// such as "cri-containerd", "crio", "docker" or "libpod". It is empty for
	// runtimes that use the bare id.
	Runtime string
}

// Identify tells whose cgroup a path names, below any prefix and for both of
// the kubelet's drivers. Where kubepods are nested it is the innermost one.
// It reports false for a path that is neither a pod's nor a container's.
//
// The names are made in the kubelet: pkg/kubelet/cm/cgroup_manager_linux.go.
func Identify(p string) (Identity, bool) {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	for i := len(parts) - 1; i >= 0; i-- {
		driver, ok := parseKubepods(parts[i])
		if !ok {
			continue
		}
		id, ok := identifyBelow(driver, parts[i+1:])
		id.Kubepods = "/" + path.Join(parts[:i+1]...)
		return id, ok
	}
	return Identity{}, false
}

func identifyBelow(d driver, parts []string) (Identity, bool) {
	var id Identity
	if len(parts) == 0 {
		return id, false
	}
	if qos, ok := d.parseQoS(parts[0]); ok {
		id.QoS = qos
		if parts = parts[1:]; len(parts) == 0 {
			return id, false
		}
	}
	uid, ok := d.parsePod(parts[0], id.QoS)
	if !ok {
		return id, false
	}
	id.UID = uid
	if len(parts) == 1 {
		return id, true
	}
	// Some runtimes put the processes one level below the container's cgroup,
	// which includes them: the container's level is the one below the pod's.
	id.Runtime, id.ContainerID, ok = parseContainer(parts[1])
	return id, ok
}

// driver renders names as the kubelet's cgroup driver does. For the systemd
// driver it is the name of the kubepods slice without ".slice", with which the
// names of all slices below begin; for the cgroupfs driver it is empty.
type driver string

// parseKubepods recognises the folder of all pods: "kubepods", or for the
// systemd driver "kubepods.slice" or "<cgroup root>-kubepods.slice".
func parseKubepods(name string) (driver, bool) {
	if name == "kubepods" {
		return "", true
	}
	slice, ok := strings.CutSuffix(name, ".slice")
	if !ok || slice != "kubepods" && !strings.HasSuffix(slice, "-kubepods") {
		return "", false
	}
	return driver(slice), true
}

// parseQoS recognises the folder of a class below kubepods.
func (d driver) parseQoS(name string) (QoS, bool) {
	if d != "" {
		var ok bool
		if name, ok = d.cutSlice(name); !ok {
			return 0, false
		}
	}
	switch name {
	case "burstable":
		return Burstable, true
	case "besteffort":
		return BestEffort, true
	}
	return 0, false
}

// parsePod recognises the folder of a pod below kubepods or below a class, and
// returns its UID. The systemd driver writes dashes as underscores, which this
// turns back; see UIDKey for UIDs that have underscores of their own.
func (d driver) parsePod(name string, qos QoS) (uid string, ok bool) {
	if d != "" {
		if name, ok = d.cutSlice(name); !ok {
			return "", false
		}
		if qos != Guaranteed {
			if name, ok = strings.CutPrefix(name, qos.word()+"-"); !ok {
				return "", false
			}
		}
	}
	if uid, ok = strings.CutPrefix(name, "pod"); !ok || !validUID(uid) {
		return "", false
	}
	if d != "" {
		uid = strings.ReplaceAll(uid, "_", "-")
	}
	return uid, true
}

// cutSlice takes "<driver>-" and ".slice" off a name.
func (d driver) cutSlice(name string) (string, bool) {
	name, ok := strings.CutSuffix(name, ".slice")
	if !ok {
		return "", false
	}
	name, ok = strings.CutPrefix(name, string(d))
	if !ok {
		return "", false
	}
	return strings.CutPrefix(name, "-")
}

// validUID refuses what no UID can hold. Neither length nor digits are fixed: a
// static pod's manifest may set any name as its UID.
func validUID(uid string) bool {
	for i := range len(uid) {
		c := uid[i]
		if !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return uid != ""
}

// LikelyUID reports whether a UID has one of the two forms that Kubernetes
// makes by itself: a UUID, or the 32 hexadecimal digits of a static pod's hash.
// It tells a pod that the API server does not know from a folder that only has
// a similar name.
func LikelyUID(uid string) bool {
	if len(uid) == 32 {
		return isHex(uid)
	}
	if len(uid) != 36 {
		return false
	}
	for i := range len(uid) {
		switch i {
		case 8, 13, 18, 23:
			if uid[i] != '-' {
				return false
			}
		default:
			if !isHexDigit(uid[i]) {
				return false
			}
		}
	}
	return true
}

// UIDKey returns the form of a UID under which cgroups and the API server's
// pods are matched. It makes no difference between dashes and underscores,
// since the systemd driver makes none.
func UIDKey(uid string) string { return strings.ReplaceAll(uid, "_", "-") }

// parseContainer recognises the folder of a container below a pod's.
func parseContainer(name string) (runtime, id string, ok bool) {
	name = strings.TrimSuffix(name, ".scope")
	if len(name) < idLen {
		return "", "", false
	}
	id = name[len(name)-idLen:]
	if !isHex(id) {
		return "", "", false
	}
	if len(name) == idLen {
		return "", id, true
	}
	runtime, ok = strings.CutSuffix(name[:len(name)-idLen], "-")
	// CRI-O and podman can keep the container's monitor in a cgroup beside it.
	if !ok || runtime == "" || strings.HasSuffix(runtime, "conmon") {
		return "", "", false
	}
	return runtime, id, true
}

const idLen = 64 // hexadecimal digits of a container id

func isHex(s string) bool {
	for i := range len(s) {
		if !isHexDigit(s[i]) {
			return false
		}
	}
	return true
}

func isHexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
