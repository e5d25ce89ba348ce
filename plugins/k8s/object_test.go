package k8s

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// allOfPods is a choice of everything.
func allOfPods(t testing.TB) choice {
	t.Helper()
	chosen, err := choose(everything())
	if err != nil {
		t.Fatal(err)
	}
	chosen.requests = true
	return chosen
}

func comparePods(want, got []*pod) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(pod{}, requests{}))
}

// oddPod has what a pod can have of what is used, also more than once.
func oddPod() *corev1.Pod {
	yes, no := true, false
	always := corev1.ContainerRestartPolicyAlways
	ended := func(id string) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ContainerID: id}}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			UID: "u", Name: "odd", Namespace: "shop", ResourceVersion: "7",
			Annotations: map[string]string{annotationHash: "h", "other": "o", metav1.InitialEventsAnnotationKey: "true"},
			Labels:      map[string]string{annotationHash: "a label", "app": "odd", labelTemplateHash: "77f"},
			OwnerReferences: []metav1.OwnerReference{
				{Kind: "ConfigMap", Name: "c", Controller: &no},
				{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "odd-77f", Controller: &yes},
				{APIVersion: "v1", Kind: "Node", Name: "second", Controller: &yes},
			},
			CreationTimestamp: metav1.Unix(1_795_000_000, 0),
		},
		Spec: corev1.PodSpec{
			NodeName: node, Overhead: list("1m", "1"), Resources: &corev1.ResourceRequirements{Requests: list("3", "")},
			Containers:     []corev1.Container{{Name: "main", Resources: requesting("100m", "1Mi")}},
			InitContainers: []corev1.Container{{Name: "same", RestartPolicy: &always, Resources: requesting("1.5", "")}},
		},
		Status: corev1.PodStatus{
			Phase:                 corev1.PodRunning,
			Conditions:            []corev1.PodCondition{{Type: corev1.PodResizePending, Reason: corev1.PodReasonDeferred}},
			AllocatedResources:    list("2", "2Mi"),
			Resources:             &corev1.ResourceRequirements{Requests: list("", "3Mi")},
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "init", State: ended("cri-o://1"), ContainerID: "cri-o://5"}},
			ContainerStatuses: []corev1.ContainerStatus{
				{
					Name: "main", ContainerID: "cri-o://2", LastTerminationState: ended("cri-o://3"), RestartCount: 9,
					AllocatedResources: list("200m", "2Mi"), Resources: &corev1.ResourceRequirements{Requests: list("50m", "3Mi")},
				},
				{Name: "same", ContainerID: "cri-o://1"}, {Name: "waits"}, {Name: "bad", ContainerID: "no runtime"},
			},
			EphemeralContainerStatuses: []corev1.ContainerStatus{{Name: "debug", ContainerID: "cri-o://4"}, {Name: "late", ContainerID: "cri-o://3"}},
		},
	}
}

// What the client decodes of captured pods, in both forms, is what a full decoding gives.
func TestDecodedObjects(t *testing.T) {
	var full corev1.PodList
	if err := json.Unmarshal(capturedList(t, "v1"), &full); err != nil {
		t.Fatal(err)
	}
	full.ResourceVersion, full.Continue = "12", "more"
	full.Items = append(full.Items, *oddPod(), corev1.Pod{Spec: corev1.PodSpec{NodeName: node}}, corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "elsewhere"}})
	chosen := allOfPods(t)
	want := chosenPodsOf(node, &chosen, full.Items)
	codec := newPodSerializer(&chosen)
	for _, info := range codec.SupportedMediaTypes() {
		if info.MediaType != runtime.ContentTypeJSON && info.MediaType != runtime.ContentTypeProtobuf {
			continue
		}
		var body bytes.Buffer
		full.Kind, full.APIVersion = "PodList", "v1"
		if err := info.Serializer.Encode(&full, &body); err != nil {
			t.Fatal(err)
		}
		got := podObjectList{chosen: &chosen}
		if _, _, err := codec.DecoderToVersion(info.Serializer, coreVersion()).Decode(body.Bytes(), nil, &got); err != nil {
			t.Fatalf("%s: %v", info.MediaType, err)
		}
		if diff := comparePods(want, got.of(node)); diff != "" {
			t.Errorf("%s: -want +got\n%s", info.MediaType, diff)
		}
		if got.ResourceVersion != "12" || got.Continue != "more" || len(got.Items) != len(full.Items) {
			t.Errorf("%s: version %q, continue %q, %d items", info.MediaType, got.ResourceVersion, got.Continue, len(got.Items))
		}
		odd := &got.Items[len(full.Items)-3]
		if meta := odd.GetObjectMeta(); meta.GetResourceVersion() != "7" || meta.GetName() != "odd" || meta.GetNamespace() != "shop" || meta.GetAnnotations()[metav1.InitialEventsAnnotationKey] != "true" {
			t.Errorf("%s: the reflector sees %+v", info.MediaType, meta)
		}
	}
}

// Whatever a full decoder takes, ours takes in the same way, in both forms; of all else it
// makes no panic.
func FuzzUnmarshalPod(f *testing.F) {
	seed := func(p *corev1.Pod) {
		text, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(append(text, text...)) // all fields twice: messages are merged
		f.Add(text[:len(text)/2])
	}
	var captured corev1.PodList
	if err := json.Unmarshal(capturedList(f, "v2"), &captured); err != nil {
		f.Fatal(err)
	}
	one := captured.Items[0]
	one.ManagedFields, one.Spec.Containers, one.Spec.Volumes = nil, nil, nil // small seeds find more
	seed(&one)
	seed(oddPod())
	f.Add([]byte("\x0b\x0c"))                         // a group
	f.Add([]byte("\x0a\x80\x80\x80\x80\x80\x80"))     // a length without an end
	f.Add([]byte("\x0a\xff\xff\xff\xff\xff\xff\x7f")) // a length beyond the message
	chosen := allOfPods(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		ours := podObject{chosen: &chosen}
		ourErr := ours.Unmarshal(text)
		var full corev1.Pod
		if full.Unmarshal(text) != nil {
			return
		}
		if ourErr != nil {
			// Oddities of encoding that no server writes may be refused; what it means may not.
			var err error
			if text, err = full.Marshal(); err != nil {
				return
			}
			if err := ours.Unmarshal(text); err != nil {
				t.Fatalf("a pod that a server may send is refused: %v", err)
			}
		}
		compareObject(t, &full, &ours)
		inJSON, err := json.Marshal(&full)
		if err != nil {
			return // a year that has five digits
		}
		var again corev1.Pod // what is no text was changed
		if err := json.Unmarshal(inJSON, &again); err != nil {
			t.Fatal(err)
		}
		if err := ours.UnmarshalJSON(inJSON); err != nil {
			t.Fatalf("a pod that a server may send is refused: %v", err)
		}
		compareObject(t, &again, &ours)
	})
}

// compareObject compares what is kept of a pod with what a full decoding gives.
func compareObject(t *testing.T, full *corev1.Pod, ours *podObject) {
	t.Helper()
	want := newChosenPod(full.Spec.NodeName, ours.chosen, full)
	if want != nil && want.requests == nil && ours.pod != nil {
		ours.pod.requests = nil // it has numbers that nobody means
	}
	if diff := cmp.Diff(want, ours.pod, cmp.AllowUnexported(pod{}, requests{})); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
	end := full.Annotations[metav1.InitialEventsAnnotationKey] == "true"
	if ours.node != full.Spec.NodeName || ours.version != full.ResourceVersion || ours.end != end {
		t.Fatalf("node %q, version %q, end %t; want %q, %q, %t", ours.node, ours.version, ours.end, full.Spec.NodeName, full.ResourceVersion, end)
	}
}
