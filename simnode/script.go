package simnode

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// ScriptedPod is a pod with what it does. Times count from the node's start.
type ScriptedPod struct {
	PodTemplate
	// Loads are the loads of the containers, by name; the others are idle.
	Loads map[string]Load
	// Born is when the pod begins, Ends when it ends; 0 is at once, and never.
	Born, Ends time.Duration
}

// held is the memory that the pod's containers hold on purpose.
func (p ScriptedPod) held() uint64 {
	var sum uint64
	for _, load := range p.Loads {
		sum += load.Memory
	}
	return sum
}

// DemoScript is half a minute on a node, and goes on after that: pods of even
// load, an idle one and one in bursts, one that works in the kernel, one that
// holds memory, a static one, one with two containers, one that comes and one
// that goes. Together they never ask for more than 0.7 cores.
func DemoScript() []ScriptedPod {
	const mib = 1 << 20
	pod := func(namespace, name string, qos corev1.PodQOSClass, load Load) ScriptedPod {
		return ScriptedPod{
			PodTemplate: PodTemplate{Namespace: namespace, Name: name, QoS: qos, Labels: map[string]string{"app": name}},
			Loads:       map[string]Load{"main": load},
		}
	}
	web := pod("shop", "web", corev1.PodQOSBurstable, Load{})
	web.Containers = []string{"app", "proxy"}
	web.Loads = map[string]Load{"app": Steady(0.07, 0), "proxy": Steady(0.03, 0.5)}

	cache := Steady(0.01, 0)
	cache.Memory = 64 * mib

	scheduler := pod("kube-system", "kube-scheduler", corev1.PodQOSBurstable, Steady(0.05, 0.1))
	scheduler.Static = true

	burst := Load{Repeat: true, Phases: []Phase{{For: time.Second, Cores: 0.15}, {For: 3 * time.Second}}}

	report := pod("batch", "report", corev1.PodQOSBurstable, Steady(0.06, 0))
	report.Born = 8 * time.Second

	load := pod("batch", "import", corev1.PodQOSBurstable, Steady(0.05, 0.2))
	load.Ends = 15 * time.Second

	return []ScriptedPod{
		pod("shop", "cart", corev1.PodQOSGuaranteed, Steady(0.20, 0)),
		web,
		pod("shop", "cache", corev1.PodQOSBurstable, cache),
		scheduler,
		pod("monitoring", "log-shipper", corev1.PodQOSBestEffort, Steady(0.06, 0.8)),
		pod("batch", "burst", corev1.PodQOSBestEffort, burst),
		pod("batch", "sleeper", corev1.PodQOSBestEffort, Load{}),
		load,
		report,
	}
}
