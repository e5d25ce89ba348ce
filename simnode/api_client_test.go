package simnode

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// patience bounds waits that end at once when all is well.
const patience = 30 * time.Second

// contentTypes are the two forms in which client-go can talk to the server.
var contentTypes = map[string]string{
	"json":     "application/json",
	"protobuf": "application/vnd.kubernetes.protobuf",
}

// listening returns a new API server that listens until the test ends.
func listening(t testing.TB, pods ...*corev1.Pod) (*API, string) {
	t.Helper()
	a := NewAPI()
	for _, p := range pods {
		a.Put(p)
	}
	url, err := a.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, url
}

// newClient makes the client that an agent uses: no typed clientset, and a
// scheme that knows pods only.
func newClient(t testing.TB, url, contentType string, change ...func(*rest.Config)) *rest.RESTClient {
	t.Helper()
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Pod{}, &corev1.PodList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	config := &rest.Config{
		Host: url, APIPath: "/api",
		ContentConfig: rest.ContentConfig{
			AcceptContentTypes: contentType, ContentType: contentType,
			GroupVersion:         &corev1.SchemeGroupVersion,
			NegotiatedSerializer: serializer.NewCodecFactory(scheme).WithoutConversion(),
		},
		QPS: -1,
	}
	for _, f := range change {
		f(config)
	}
	client, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func listPods(t testing.TB, c *rest.RESTClient, o metav1.ListOptions) (*corev1.PodList, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	list := &corev1.PodList{}
	err := c.Get().Resource("pods").VersionedParams(&o, metav1.ParameterCodec).Do(ctx).Into(list)
	return list, err
}

func watchPods(t testing.TB, c *rest.RESTClient, o metav1.ListOptions) watch.Interface {
	t.Helper()
	o.Watch = true
	w, err := c.Get().Resource("pods").VersionedParams(&o, metav1.ParameterCodec).Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

// nextEvent waits for the next event of a watch; ok is false at its end.
func nextEvent(t testing.TB, w watch.Interface) (watch.Event, bool) {
	t.Helper()
	select {
	case e, ok := <-w.ResultChan():
		return e, ok
	case <-time.After(patience):
		t.Fatal("no event came")
		return watch.Event{}, false
	}
}

// wantEvent waits for an event about a pod.
func wantEvent(t testing.TB, w watch.Interface, kind watch.EventType, name string) *corev1.Pod {
	t.Helper()
	e, ok := nextEvent(t, w)
	if !ok {
		t.Fatalf("the watch has ended, want %s %s", kind, name)
	}
	pod, ok := e.Object.(*corev1.Pod)
	if !ok {
		t.Fatalf("got %s with a %T %v, want %s %s", e.Type, e.Object, e.Object, kind, name)
	}
	if e.Type != kind || pod.Name != name {
		t.Fatalf("got %s %s, want %s %s", e.Type, pod.Name, kind, name)
	}
	return pod
}

// seen is what a reflector does to its store, one line each.
type seen struct {
	cache.Store
	steps chan string
}

func (s *seen) Add(obj any) error    { s.steps <- "add " + obj.(*corev1.Pod).Name; return nil }
func (s *seen) Update(obj any) error { s.steps <- "update " + obj.(*corev1.Pod).Name; return nil }
func (s *seen) Delete(obj any) error { s.steps <- "delete " + obj.(*corev1.Pod).Name; return nil }
func (s *seen) Replace(objs []any, _ string) error {
	var names []string
	for _, o := range objs {
		names = append(names, o.(*corev1.Pod).Name)
	}
	slices.Sort(names)
	s.steps <- strings.Join(append([]string{"replace"}, names...), " ")
	return nil
}

// next waits for the next step.
func (s *seen) next(t testing.TB) string {
	t.Helper()
	select {
	case step := <-s.steps:
		return step
	case <-time.After(patience):
		t.Fatal("the reflector does nothing")
		return ""
	}
}

// reflect runs a reflector over the pods of a node until the test ends.
func reflect(t testing.TB, c *rest.RESTClient, node string) *seen {
	t.Helper()
	s := &seen{steps: make(chan string, 100)}
	lw := cache.NewListWatchFromClient(c, "pods", metav1.NamespaceAll, fields.OneTermEqualSelector("spec.nodeName", node))
	r := cache.NewReflector(lw, &corev1.Pod{}, s, 0)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.RunWithContext(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

// get sends a plain request and returns the answer with its body.
func get(t testing.TB, method, url string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

func testPod(namespace, name, node string) *corev1.Pod {
	return NewPod(PodTemplate{Namespace: namespace, Name: name, Node: node, Labels: map[string]string{"app": name}})
}
