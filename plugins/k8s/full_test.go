package k8s

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// The full types of the API, and what is used of them: the truth that the decoders are
// held against.

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

// traitsOf takes what a pod says about itself.
func traitsOf(p *corev1.Pod) *traits {
	t := &traits{
		node: p.Spec.NodeName, static: p.Annotations[annotationHash] != "",
		labels: p.Labels, annotations: p.Annotations,
		created: p.CreationTimestamp.Time, phase: string(p.Status.Phase),
	}
	if c := metav1.GetControllerOfNoCopy(p); c != nil {
		t.controller = owner{c.APIVersion, c.Kind, c.Name}
	}
	return t
}

// newChosenPod is newPod with the attributes that are chosen.
func newChosenPod(node string, chosen *choice, p *corev1.Pod) *pod {
	known := newPod(node, p)
	if known != nil {
		known.attributes = chosen.of(traitsOf(p))
		if chosen.wantsRequests() {
			known.requests, _ = requestsOf(p)
		}
	}
	return known
}

func terminatedID(s corev1.ContainerState) string {
	if s.Terminated == nil {
		return ""
	}
	return s.Terminated.ContainerID
}

func podsOf(node string, list []corev1.Pod) []*pod { return chosenPodsOf(node, nil, list) }

func chosenPodsOf(node string, chosen *choice, list []corev1.Pod) []*pod {
	pods := make([]*pod, 0, len(list))
	for i := range list {
		if p := newChosenPod(node, chosen, &list[i]); p != nil {
			pods = append(pods, p)
		}
	}
	return pods
}

// object is a pod as the client decodes it.
func object(t *testing.T, p *corev1.Pod) *podObject {
	t.Helper()
	text, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	o := new(podObject)
	if err := o.Unmarshal(text); err != nil {
		t.Fatal(err)
	}
	return o
}

// fullContent has a client decode whole pods.
func fullContent() rest.ContentConfig {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Pod{}, &corev1.PodList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	return rest.ContentConfig{
		GroupVersion:         &corev1.SchemeGroupVersion,
		NegotiatedSerializer: serializer.NewCodecFactory(scheme).WithoutConversion(),
		ContentType:          runtime.ContentTypeProtobuf,
	}
}
