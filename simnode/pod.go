package simnode

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
)

// Annotations by which the API shows that a pod mirrors a static one. The
// values of the first two are the UID under which the kubelet runs it.
const (
	configHash   = "kubernetes.io/config.hash"
	configMirror = "kubernetes.io/config.mirror"
	configSource = "kubernetes.io/config.source"
)

// containerdScheme stands before a container's ID in the status of its pod.
const containerdScheme = "containerd://"

// PodTemplate says what a pod is like.
type PodTemplate struct {
	Namespace, Name string
	// Node is the node that the pod is bound to; empty while it waits for one.
	Node string
	// UID is metadata.uid. When it is empty, a random one is made.
	UID string
	// QoS is the class; empty means BestEffort. The containers get requests
	// and limits that lead to this class.
	QoS    corev1.PodQOSClass
	Labels map[string]string
	// Containers are the names of the containers; none means one, "main".
	Containers []string
	// Static makes the mirror of a static pod: its name ends in the node's, it
	// belongs to the node, and its cgroup is not named after metadata.uid but
	// after the hash in its annotations.
	Static bool
}

// NewPod makes a running pod as an API server shows it once its containers have
// started. Container IDs and, where the template has none, the UID are random.
func NewPod(t PodTemplate) *corev1.Pod {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: t.Namespace, Name: t.Name, UID: types.UID(t.UID),
			Labels: t.Labels, CreationTimestamp: now,
		},
		Spec: corev1.PodSpec{
			NodeName: t.Node, RestartPolicy: corev1.RestartPolicyAlways,
			DNSPolicy: corev1.DNSClusterFirst, SchedulerName: corev1.DefaultSchedulerName,
			ServiceAccountName: "default",
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, QOSClass: t.QoS, StartTime: &now,
			HostIP: "192.0.2.1", PodIP: "198.51.100.7",
		},
	}
	if pod.UID == "" {
		pod.UID = uuid.NewUUID()
	}
	if pod.Status.QOSClass == "" {
		pod.Status.QOSClass = corev1.PodQOSBestEffort
	}
	if t.Static {
		mirror(pod)
	}
	names := t.Containers
	if len(names) == 0 {
		names = []string{"main"}
	}
	for _, name := range names {
		pod.Spec.Containers = append(pod.Spec.Containers, container(name, pod.Status.QOSClass))
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, runningContainer(name, now))
	}
	for _, c := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	return pod
}

// mirror turns a pod into what the API shows of a static pod.
func mirror(pod *corev1.Pod) {
	hash := randomHex(16)
	controller := true
	pod.Name += "-" + pod.Spec.NodeName
	pod.Annotations = map[string]string{configHash: hash, configMirror: hash, configSource: "file"}
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "v1", Kind: "Node", Name: pod.Spec.NodeName,
		UID: uuid.NewUUID(), Controller: &controller,
	}}
}

func container(name string, qos corev1.PodQOSClass) corev1.Container {
	c := corev1.Container{Name: name, Image: "localhost/simulated:1", ImagePullPolicy: corev1.PullNever}
	size := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("100m"),
		corev1.ResourceMemory: resource.MustParse("128Mi"),
	}
	switch qos {
	case corev1.PodQOSGuaranteed:
		c.Resources = corev1.ResourceRequirements{Requests: size, Limits: size}
	case corev1.PodQOSBurstable:
		c.Resources = corev1.ResourceRequirements{Requests: size}
	}
	return c
}

func runningContainer(name string, since metav1.Time) corev1.ContainerStatus {
	started := true
	return corev1.ContainerStatus{
		Name: name, Ready: true, Started: &started, Image: "localhost/simulated:1",
		ContainerID: containerdScheme + randomHex(32),
		State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: since}},
	}
}

// RestartContainer returns a copy of a pod in which a container has ended and
// was started again: a new ID, and the old one under its last state.
func RestartContainer(pod *corev1.Pod, name string) (*corev1.Pod, error) {
	pod = pod.DeepCopy()
	for i := range pod.Status.ContainerStatuses {
		old := &pod.Status.ContainerStatuses[i]
		if old.Name != name {
			continue
		}
		now := metav1.NewTime(time.Now().Truncate(time.Second))
		fresh := runningContainer(name, now)
		fresh.RestartCount = old.RestartCount + 1
		fresh.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			Reason: "Completed", FinishedAt: now, ContainerID: old.ContainerID,
		}
		*old = fresh
		return pod, nil
	}
	return nil, fmt.Errorf("restart container %q of pod %s/%s: the pod has no such container", name, pod.Namespace, pod.Name)
}

// CgroupUID returns the UID after which the kubelet names the pod's cgroup:
// the hash of a static pod, and metadata.uid of any other.
func CgroupUID(pod *corev1.Pod) string {
	if hash := pod.Annotations[configHash]; hash != "" {
		return hash
	}
	return string(pod.UID)
}

// ContainerID returns the bare ID of a pod's container, without the runtime's
// name before it, and whether the pod's status has it.
func ContainerID(pod *corev1.Pod, name string) (string, bool) {
	for i := range pod.Status.ContainerStatuses {
		if s := &pod.Status.ContainerStatuses[i]; s.Name == name {
			_, id, ok := strings.Cut(s.ContainerID, "://")
			return id, ok && id != ""
		}
	}
	return "", false
}

// randomHex returns n random bytes as 2n hexadecimal digits.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
