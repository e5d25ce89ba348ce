package kubernetes_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podMonitor and serviceMonitor are the parts of the Prometheus operator's kinds that are
// used here.
type podMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector            metav1.LabelSelector `json:"selector"`
		PodMetricsEndpoints []endpoint           `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []endpoint           `json:"endpoints"`
	} `json:"spec"`
}

type endpoint struct {
	Port        string       `json:"port"`
	HonorLabels bool         `json:"honorLabels"`
	Relabelings []relabeling `json:"relabelings"`
}

type relabeling struct {
	SourceLabels []string `json:"sourceLabels"`
	TargetLabel  string   `json:"targetLabel"`
}

// Prometheus finds every agent by its port's name, once, keeps the namespace that the agent
// tells, and calls the agent by its node, as the dashboard does.
func TestMonitors(t *testing.T) {
	m := build(t, composed(t, "", "pod-monitor", "service-monitor"))
	pod := m.DaemonSet.Spec.Template.Labels
	ours := metav1.LabelSelector{MatchLabels: pod}
	scraped := []endpoint{{Port: "metrics", HonorLabels: true, Relabelings: []relabeling{
		{SourceLabels: []string{"__meta_kubernetes_pod_node_name"}, TargetLabel: "instance"},
	}}}
	want(t, "port", "metrics", container(t, m).Ports[0].Name)
	if len(m.PodMonitors) != 1 || len(m.ServiceMonitors) != 1 || len(m.Services) != 1 {
		t.Fatalf("%d monitors of pods, %d of services, %d services, want one each", len(m.PodMonitors), len(m.ServiceMonitors), len(m.Services))
	}
	want(t, "pods that are scraped", ours, m.PodMonitors[0].Spec.Selector)
	want(t, "how pods are scraped", scraped, m.PodMonitors[0].Spec.PodMetricsEndpoints)
	want(t, "services that are scraped", ours, m.ServiceMonitors[0].Spec.Selector)
	want(t, "how services are scraped", scraped, m.ServiceMonitors[0].Spec.Endpoints)

	service := m.Services[0]
	want(t, "the service's labels", pod, service.Labels)
	want(t, "pods of the service", pod, service.Spec.Selector)
	want(t, "address of the service", "None", service.Spec.ClusterIP)
	if len(service.Spec.Ports) != 1 || service.Spec.Ports[0].Name != "metrics" || service.Spec.Ports[0].TargetPort.StrVal != "metrics" {
		t.Errorf("ports of the service: %+v", service.Spec.Ports)
	}
	for _, object := range []metav1.Object{&m.PodMonitors[0].ObjectMeta, &m.ServiceMonitors[0].ObjectMeta, &service.ObjectMeta} {
		want(t, "namespace", m.Namespace.Name, object.GetNamespace())
		want(t, "labels", pod, object.GetLabels())
	}

	// By default nobody is scraped twice.
	for _, folder := range folders(t) {
		if m := build(t, folder); len(m.PodMonitors)+len(m.ServiceMonitors) > 1 {
			t.Errorf("%s has the agents scraped twice", folder)
		}
	}
}
