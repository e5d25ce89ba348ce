package docs_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	nodeName = "node-1"
	// nodePods is how many pods a kubelet admits by default.
	nodePods = 110
	// replicas is how many pods of one kind a node has.
	replicas = 5
)

// maker makes pods as an API server sends them. All makers make the same pods.
type maker struct {
	t        *testing.T
	rnd      *rand.Rand
	captured *corev1.Pod
	made     int
}

// newMaker takes the captured pod with two containers, an init container and two
// volumes for a pattern.
func newMaker(t *testing.T) *maker {
	t.Helper()
	text, err := os.ReadFile("../testdata/v2/api-pods.json")
	if err != nil {
		t.Fatal(err)
	}
	var list corev1.PodList
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list.Items, func(p corev1.Pod) bool { return len(p.Spec.Containers) == 2 })
	if i < 0 {
		t.Fatal("the capture has no pod with two containers")
	}
	return &maker{t: t, rnd: rand.New(rand.NewPCG(1, 2)), captured: &list.Items[i]}
}

// random returns n digits that do not compress better than those of real pods.
func (m *maker) random(n int) string {
	b := make([]byte, n/2)
	for i := range b {
		b[i] = byte(m.rnd.Uint32())
	}
	return hex.EncodeToString(b)
}

func (m *maker) uid() types.UID {
	return types.UID(m.random(8) + "-" + m.random(4) + "-" + m.random(4) + "-" + m.random(4) + "-" + m.random(12))
}

// next makes a running pod of a Deployment.
func (m *maker) next() *corev1.Pod {
	p := m.captured.DeepCopy()
	app := fmt.Sprintf("app-%d", m.made/replicas)
	// What replicas share comes from a source of its own, so that it is the same.
	shared := &maker{rnd: rand.New(rand.NewPCG(3, uint64(m.made/replicas)))}
	m.made++
	set, hash := app+"-"+shared.random(10), shared.random(10)
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	yes := true
	p.ObjectMeta = metav1.ObjectMeta{
		Name: set + "-" + m.random(6)[:5], GenerateName: set + "-", Namespace: "shop", UID: m.uid(),
		Generation: 1, CreationTimestamp: now,
		Labels: map[string]string{"app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/version": shared.random(8), "pod-template-hash": hash},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: "ReplicaSet", Name: set, UID: shared.uid(), Controller: &yes, BlockOwnerDeletion: &yes,
		}},
	}
	p.Spec.NodeName = nodeName
	volume := "kube-api-access-" + m.random(6)[:5]
	for i := range p.Spec.Volumes {
		if p.Spec.Volumes[i].Projected != nil {
			m.rename(p, p.Spec.Volumes[i].Name, volume)
			p.Spec.Volumes[i].Name = volume
		}
	}
	for i := range p.Spec.Containers {
		p.Spec.Containers[i].Image = "registry.example/" + app + "/" + p.Spec.Containers[i].Name + ":1"
	}
	furnish(shared, app, &p.Spec.Containers[0])
	address := fmt.Sprintf("10.244.%d.%d", 1+m.made/250, 1+m.made%250)
	p.Status.PodIP, p.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
	p.Status.StartTime = &now
	for i := range p.Status.Conditions {
		p.Status.Conditions[i].LastTransitionTime = now
	}
	for _, statuses := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range statuses {
			s := &statuses[i]
			s.ContainerID = "containerd://" + m.random(64)
			s.Image = "registry.example/" + app + "/" + s.Name + ":1"
			s.ImageID = "registry.example/" + app + "/" + s.Name + "@sha256:" + shared.random(64)
			if s.State.Terminated != nil {
				s.State.Terminated.ContainerID = s.ContainerID
				s.State.Terminated.StartedAt, s.State.Terminated.FinishedAt = now, now
			} else {
				s.State.Running = &corev1.ContainerStateRunning{StartedAt: now}
			}
		}
	}
	m.own(p)
	return p
}

// rename renames the mounts of a volume.
func (m *maker) rename(p *corev1.Pod, old, name string) {
	mounts := func(mounts []corev1.VolumeMount) {
		for i := range mounts {
			if mounts[i].Name == old {
				mounts[i].Name = name
			}
		}
	}
	for _, containers := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range containers {
			mounts(containers[i].VolumeMounts)
		}
	}
	for _, statuses := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range statuses {
			for j := range statuses[i].VolumeMounts {
				if statuses[i].VolumeMounts[j].Name == old {
					statuses[i].VolumeMounts[j].Name = name
				}
			}
		}
	}
}

// furnish gives a container what those of a shop have and the captured ones have
// not: a port, an environment and probes.
func furnish(shared *maker, app string, c *corev1.Container) {
	c.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}
	for _, key := range []string{"DATABASE_URL", "LOG_LEVEL", "FEATURES"} {
		c.Env = append(c.Env, corev1.EnvVar{Name: key, Value: shared.random(24)})
	}
	c.Env = append(c.Env, corev1.EnvVar{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: app}, Key: "password",
	}}})
	probe := &corev1.Probe{
		ProbeHandler:   corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP}},
		TimeoutSeconds: 1, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3,
	}
	c.LivenessProbe, c.ReadinessProbe = probe, probe.DeepCopy()
}

func (m *maker) own(p *corev1.Pod) {
	if err := own(p); err != nil {
		m.t.Fatal(err)
	}
}

// life is what a node's watch sees of a pod, from its scheduling until it runs, and
// from the request to delete it until its containers have ended.
func (m *maker) life(running *corev1.Pod) (birth, death []*corev1.Pod) {
	change := func(f func(*corev1.Pod)) *corev1.Pod {
		p := running.DeepCopy()
		f(p)
		m.own(p)
		return p
	}
	waiting := func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodPending
		for i := range p.Status.ContainerStatuses {
			s := &p.Status.ContainerStatuses[i]
			s.ContainerID, s.Ready, s.State = "", false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
		}
	}
	birth = []*corev1.Pod{
		change(func(p *corev1.Pod) { // scheduled
			p.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: p.Status.QOSClass, Conditions: p.Status.Conditions[4:]}
		}),
		change(func(p *corev1.Pod) { // taken by the kubelet
			waiting(p)
			p.Status.PodIP, p.Status.PodIPs = "", nil
			p.Status.InitContainerStatuses[0].ContainerID = ""
			p.Status.InitContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
		}),
		change(func(p *corev1.Pod) { // its init container runs
			waiting(p)
			p.Status.InitContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: p.CreationTimestamp}}
		}),
		change(waiting), // and has ended
		running,
	}
	now := metav1.NewTime(running.CreationTimestamp.Add(time.Minute))
	grace := int64(30)
	deleted := func(p *corev1.Pod) { p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &now, &grace }
	death = []*corev1.Pod{
		change(deleted),
		change(func(p *corev1.Pod) { // its containers have ended
			deleted(p)
			p.Status.Phase = corev1.PodFailed
			for i := range p.Status.ContainerStatuses {
				s := &p.Status.ContainerStatuses[i]
				s.Ready, s.State = false, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
					ExitCode: 143, Reason: "Error", StartedAt: p.CreationTimestamp, FinishedAt: now, ContainerID: s.ContainerID,
				}}
			}
		}),
	}
	return birth, death
}

// sizes are the mean bytes of a pod in JSON and in protobuf, and of that its owned
// fields in JSON.
func sizes(t *testing.T, pods []*corev1.Pod) (inJSON, inProtobuf, owned int) {
	t.Helper()
	for _, p := range pods {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		fields, err := json.Marshal(p.ManagedFields)
		if err != nil {
			t.Fatal(err)
		}
		inJSON, inProtobuf, owned = inJSON+len(text), inProtobuf+p.Size(), owned+len(fields)
	}
	n := len(pods)
	return inJSON / n, inProtobuf / n, owned / n
}

// The pods are as large as real ones: on the captured node, the pod with two
// containers has 10,077 bytes of JSON, of which owned fields are 2,806. Here it has a
// port, an environment and probes besides.
func TestPodsAreAsLargeAsRealOnes(t *testing.T) {
	m := newMaker(t)
	var pods []*corev1.Pod
	for range 20 {
		pods = append(pods, m.next())
	}
	inJSON, _, owned := sizes(t, pods)
	if inJSON < 10_077 || inJSON > 12_500 || owned < 2_806 || owned > 4_500 {
		t.Errorf("%d bytes a pod, %d of them owned fields; want 10,077 to 12,500, and 2,806 to 4,500", inJSON, owned)
	}
	if pods[0].UID == pods[1].UID || pods[0].Name == pods[1].Name || !strings.HasPrefix(pods[1].Name, pods[0].GenerateName) {
		t.Errorf("replicas %s and %s: want the same set and names of their own", pods[0].Name, pods[1].Name)
	}
	if again := newMaker(t).next(); again.UID != pods[0].UID {
		t.Errorf("UID %s, then %s: want the same pods each time", pods[0].UID, again.UID)
	}
}
