package k8s

import (
	"bytes"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// inProtobuf is an object as a server sends it.
func inProtobuf(t testing.TB, object runtime.Object) []byte {
	t.Helper()
	var body bytes.Buffer
	for _, info := range fullContent().NegotiatedSerializer.SupportedMediaTypes() {
		if info.MediaType == runtime.ContentTypeProtobuf {
			if err := info.Serializer.Encode(object, &body); err != nil {
				t.Fatal(err)
			}
		}
	}
	return body.Bytes()
}

// What a server sends is opened without the client's own decoder, unless it is of another
// kind.
func TestEnvelopeIsOpened(t *testing.T) {
	of := func(kind string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: "v1", Kind: kind} }
	for _, c := range []struct {
		object runtime.Object
		kind   string
	}{
		{&corev1.Pod{TypeMeta: of("Pod")}, "Pod"},
		{&corev1.PodList{TypeMeta: of("PodList")}, "PodList"},
		{&metav1.Status{TypeMeta: of("Status")}, "Status"},
		{&corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "other/v1", Kind: "Pod"}}, ""},
		{&corev1.Pod{}, ""},
	} {
		if kind, _ := openEnvelope(inProtobuf(t, c.object)); kind != c.kind {
			t.Errorf("%+v: opened as %q, want %q", c.object.GetObjectKind().GroupVersionKind(), kind, c.kind)
		}
	}
}

// An object of another kind, where a pod is due, stays what it is.
func TestStatusInsteadOfPod(t *testing.T) {
	codec := newPodSerializer(new(choice))
	for _, info := range codec.SupportedMediaTypes() {
		if info.MediaType != runtime.ContentTypeProtobuf {
			continue
		}
		status := &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Code: 410}
		got, _, err := codec.DecoderToVersion(info.Serializer, coreVersion()).Decode(inProtobuf(t, status), nil, nil)
		if gone, ok := got.(*metav1.Status); err != nil || !ok || gone.Code != 410 {
			t.Errorf("decoded as %#v, %v; want a status 410", got, err)
		}
	}
}

// An envelope, and an event of a watch, hold what the client's own decoders find in them.
func FuzzEnvelope(f *testing.F) {
	pod := oddPod()
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	whole := inProtobuf(f, pod)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(append(whole, whole[4:]...)) // all fields twice: the last raw one counts
	event := metav1.WatchEvent{Type: "ADDED", Object: runtime.RawExtension{Raw: whole}}
	text, err := event.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(append(text, text...))
	f.Fuzz(func(t *testing.T, text []byte) {
		var full runtime.Unknown
		if body, ok := bytes.CutPrefix(text, []byte("k8s\x00")); ok && full.Unmarshal(body) == nil {
			kind, object := openEnvelope(text)
			if kind != "" && (kind != full.Kind || full.APIVersion != "v1" || full.ContentEncoding != "" || !bytes.Equal(object, full.Raw)) {
				t.Errorf("opened as %q: %q; want %+v", kind, object, full)
			}
		}
		var want, got metav1.WatchEvent
		if want.Unmarshal(text) != nil {
			return
		}
		if _, _, err := (eventSerializer{}).Decode(text, nil, &got); err != nil {
			return // oddities of encoding that no server writes
		}
		if got.Type != want.Type || !bytes.Equal(got.Object.Raw, want.Object.Raw) {
			t.Errorf("the event is %+v, want %+v", got, want)
		}
	})
}
