package k8s

import (
	"bytes"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// coreVersion returns the version of the API that has the pods.
func coreVersion() schema.GroupVersion { return schema.GroupVersion{Version: "v1"} }

// podScheme knows pods and lists of them as the two types below, and nothing else of
// the API: what a pod has besides is never decoded, let alone kept.
func podScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(coreVersion().WithKind("Pod"), &podObject{})
	scheme.AddKnownTypeWithName(coreVersion().WithKind("PodList"), &podObjectList{})
	metav1.AddToGroupVersion(scheme, coreVersion())
	return scheme
}

// podObject is a Pod of the API, as far as it is used. It implements runtime.Object,
// and what the client needs to decode into it.
type podObject struct {
	metav1.TypeMeta
	chosen  *choice // what is read for attributes
	pod     *pod    // nil of a bookmark, which has no UID
	node    string  // that it is bound to
	version string
	// end says that a bookmark ends the list with which a watch begins.
	end bool
}

// DeepCopyObject implements runtime.Object. A pod is never changed, and may be shared.
func (o *podObject) DeepCopyObject() runtime.Object {
	clone := *o
	return &clone
}

// GetObjectMeta implements metav1.ObjectMetaAccessor: what the reflector looks at.
func (o *podObject) GetObjectMeta() metav1.Object {
	meta := &metav1.ObjectMeta{ResourceVersion: o.version}
	if o.pod != nil {
		meta.Name, meta.Namespace = o.pod.name, o.pod.namespace
	}
	if o.end {
		meta.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	}
	return meta
}

// of returns the pod if it is one of the node: a server may ignore the selector.
func (o *podObject) of(node string) *pod {
	if o.node != node {
		return nil
	}
	return o.pod
}

// Reset empties the object. With Unmarshal it is what the client decodes protobuf by.
func (o *podObject) Reset() { *o = podObject{chosen: o.chosen} }

// Unmarshal decodes a Pod in protobuf. The error says where it is broken.
func (o *podObject) Unmarshal(text []byte) error {
	r := podReader{podParts: newPodParts(o.chosen)}
	r.pod(text)
	if r.err != nil {
		return fmt.Errorf("decode a pod: %w", r.err)
	}
	*o = r.object()
	return nil
}

// UnmarshalJSON decodes a Pod in JSON.
func (o *podObject) UnmarshalJSON(text []byte) error {
	read, err := readJSONPod(bytes.NewBuffer(text), o.chosen)
	if err != nil {
		return fmt.Errorf("decode a pod: %w", err)
	}
	*o = read
	return nil
}

// podObjectList is a PodList of the API, as far as it is used.
type podObjectList struct {
	metav1.TypeMeta
	metav1.ListMeta
	chosen *choice // what is read for attributes
	Items  []podObject
}

// DeepCopyObject implements runtime.Object.
func (l *podObjectList) DeepCopyObject() runtime.Object {
	clone := *l
	clone.ListMeta = *l.ListMeta.DeepCopy()
	clone.Items = append([]podObject(nil), l.Items...)
	return &clone
}

// of returns the pods of the node.
func (l *podObjectList) of(node string) []*pod {
	pods := make([]*pod, 0, len(l.Items))
	for i := range l.Items {
		if p := l.Items[i].of(node); p != nil {
			pods = append(pods, p)
		}
	}
	return pods
}

// Reset empties the list.
func (l *podObjectList) Reset() { *l = podObjectList{chosen: l.chosen} }

// UnmarshalJSON decodes a PodList in JSON.
func (l *podObjectList) UnmarshalJSON(text []byte) error {
	list, err := readJSONList(bytes.NewBuffer(text), l.chosen)
	if err != nil {
		return fmt.Errorf("decode a list of pods: %w", err)
	}
	*l = *list
	return nil
}

// Unmarshal decodes a PodList in protobuf.
func (l *podObjectList) Unmarshal(text []byte) error {
	var r fieldReader
	items := 0
	for number := range r.fields(text) {
		if number == listItems {
			items++
		}
	}
	l.Items = make([]podObject, 0, items)
	for number, value := range r.fields(text) {
		switch number {
		case listMetadata:
			if err := l.ListMeta.Unmarshal(value); err != nil {
				return fmt.Errorf("decode a list of pods: %w", err)
			}
		case listItems:
			item := podObject{chosen: l.chosen}
			if err := item.Unmarshal(value); err != nil {
				return err
			}
			l.Items = append(l.Items, item)
		}
	}
	if r.err != nil {
		return fmt.Errorf("decode a list of pods: %w", r.err)
	}
	return nil
}
