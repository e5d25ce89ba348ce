package simnode

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestLayoutNames(t *testing.T) {
	const (
		uid   = "2a8c1584-b4fe-4faf-b9cb-01e0d5cb8889"
		slice = "2a8c1584_b4fe_4faf_b9cb_01e0d5cb8889"
		hash  = "48d542d3d875bedb32a028c007465cdc"
	)
	id := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct {
		name   string
		layout Layout
		qos    corev1.PodQOSClass
		uid    string
		want   string
	}{
		{"systemd guaranteed", Layout{Driver: Systemd}, corev1.PodQOSGuaranteed, uid,
			"kubepods.slice/kubepods-pod" + slice + ".slice/cri-containerd-" + id + ".scope"},
		{"systemd burstable crio", Layout{Driver: Systemd, Runtime: CRIO}, corev1.PodQOSBurstable, uid,
			"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + slice + ".slice/crio-" + id + ".scope"},
		{"systemd besteffort docker", Layout{Driver: Systemd, Runtime: Docker}, corev1.PodQOSBestEffort, uid,
			"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + slice + ".slice/docker-" + id + ".scope"},
		{"systemd static podman", Layout{Driver: Systemd, Runtime: Podman}, corev1.PodQOSBurstable, hash,
			"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + hash + ".slice/libpod-" + id + ".scope"},
		{"cgroupfs guaranteed", Layout{}, corev1.PodQOSGuaranteed, uid, "kubepods/pod" + uid + "/" + id},
		{"cgroupfs burstable crio", Layout{Runtime: CRIO}, corev1.PodQOSBurstable, uid, "kubepods/burstable/pod" + uid + "/crio-" + id},
		{"cgroupfs besteffort docker", Layout{Runtime: Docker}, corev1.PodQOSBestEffort, uid, "kubepods/besteffort/pod" + uid + "/" + id},
		{"cgroupfs podman", Layout{Runtime: Podman}, corev1.PodQOSBestEffort, uid, "kubepods/besteffort/pod" + uid + "/libpod-" + id},
		{"cgroupfs root", Layout{KubeletRoot: "/r"}, corev1.PodQOSGuaranteed, uid, "r/kubepods/pod" + uid + "/" + id},
		{"systemd root", Layout{Driver: Systemd, KubeletRoot: "/r"}, corev1.PodQOSBurstable, uid,
			"r.slice/r-kubepods.slice/r-kubepods-burstable.slice/r-kubepods-burstable-pod" + slice + ".slice/cri-containerd-" + id + ".scope"},
		{"kind from the host", Layout{Driver: Systemd, KubeletRoot: "/kubelet", Prefix: "system.slice/docker-" + id + ".scope"}, corev1.PodQOSBestEffort, uid,
			"system.slice/docker-" + id + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + slice + ".slice/cri-containerd-" + id + ".scope"},
		{"minikube on docker", Layout{Prefix: "docker/" + id}, corev1.PodQOSBurstable, uid, "docker/" + id + "/kubepods/burstable/pod" + uid + "/" + id},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.layout.Pod(c.qos, c.uid) + "/" + c.layout.Container(id); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := c.layout.Pod(c.qos, c.uid); !strings.HasPrefix(got, c.layout.QoS(c.qos)+"/") || !strings.HasPrefix(got, c.layout.Kubepods()+"/") {
				t.Errorf("%s is not in %s in %s", got, c.layout.QoS(c.qos), c.layout.Kubepods())
			}
		})
	}
}

func TestPodIsLikeARealOne(t *testing.T) {
	plain := NewPod(PodTemplate{Namespace: "a", Name: "b", Node: "n", UID: "u", Containers: []string{"x", "y"}, QoS: corev1.PodQOSGuaranteed})
	if plain.UID != "u" || CgroupUID(plain) != "u" || plain.Status.Phase != corev1.PodRunning || plain.Spec.NodeName != "n" {
		t.Errorf("got UID %s, cgroup %s, phase %s, node %s", plain.UID, CgroupUID(plain), plain.Status.Phase, plain.Spec.NodeName)
	}
	if r := plain.Spec.Containers[1].Resources; len(r.Requests) != 2 || len(r.Limits) != 2 {
		t.Errorf("got %v for a guaranteed pod, want requests and limits", r)
	}
	id, ok := ContainerID(plain, "y")
	if !ok || len(id) != 64 || plain.Status.ContainerStatuses[1].ContainerID != "containerd://"+id {
		t.Errorf("got container ID %q of %v", id, plain.Status.ContainerStatuses[1])
	}
	if _, ok := ContainerID(plain, "z"); ok {
		t.Error("got the ID of a container that is not there")
	}

	static := NewPod(PodTemplate{Namespace: "kube-system", Name: "etcd", Node: "n", Static: true})
	hash := CgroupUID(static)
	if static.Name != "etcd-n" || len(hash) != 32 || hash == string(static.UID) {
		t.Errorf("got name %s, cgroup %s, UID %s, want etcd-n and a hash that is not the UID", static.Name, hash, static.UID)
	}
	if a := static.Annotations; a["kubernetes.io/config.mirror"] != hash || a["kubernetes.io/config.source"] != "file" || static.OwnerReferences[0].Kind != "Node" {
		t.Errorf("got annotations %v, owners %v", a, static.OwnerReferences)
	}

	again, err := RestartContainer(plain, "y")
	if err != nil {
		t.Fatal(err)
	}
	s := again.Status.ContainerStatuses[1]
	if next, _ := ContainerID(again, "y"); next == id || s.RestartCount != 1 || s.LastTerminationState.Terminated.ContainerID != "containerd://"+id {
		t.Errorf("got %+v after a restart", s)
	}
	if old, _ := ContainerID(plain, "y"); old != id {
		t.Error("the pod itself was changed")
	}
	if _, err := RestartContainer(plain, "z"); err == nil {
		t.Error("a container that is not there can be restarted")
	}
}
