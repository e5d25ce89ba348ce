package k8s

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
	"github.com/podjoule/podjoule/token"
)

// most is the share of a full decoding's time and memory that the names may cost.
const most = 0.2

// manyPods are the pods of a full node: those of a captured one, again and again.
func manyPods(b *testing.B, n int) *corev1.PodList {
	b.Helper()
	var list corev1.PodList
	if err := json.Unmarshal(capturedList(b, "v1"), &list); err != nil {
		b.Fatal(err)
	}
	captured := list.Items
	list.Items = nil
	for i := range n {
		p := captured[i%len(captured)].DeepCopy()
		p.UID = types.UID(fmt.Sprint(p.UID, "-", i))
		p.Name = fmt.Sprint(p.Name, "-", i)
		list.Items = append(list.Items, *p)
	}
	return &list
}

// recorded answers every request with the API server's answer to the first one of its kind,
// as a server that is infinitely fast.
type recorded struct {
	api    *simnode.API
	bodies map[string][]byte
}

func (r *recorded) RoundTrip(q *http.Request) (*http.Response, error) {
	body := r.bodies[q.URL.Query().Get("watch")]
	kind := "application/vnd.kubernetes.protobuf"
	if q.URL.Query().Has("watch") {
		kind += ";stream=watch"
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {kind}},
		Body: io.NopCloser(bytes.NewReader(body)), Request: q,
	}, nil
}

// recording is a response writer that keeps the body, until it has all pods.
type recording struct {
	bytes.Buffer
	header http.Header
	end    func() // of a watch
}

func (r *recording) Header() http.Header { return r.header }
func (r *recording) WriteHeader(int)     {}
func (r *recording) Flush()              { r.end() }

// record takes down what the API server answers.
func record(b *testing.B, list *corev1.PodList) *recorded {
	b.Helper()
	api := simnode.NewAPI()
	for i := range list.Items {
		api.Put(&list.Items[i])
	}
	r := &recorded{api, make(map[string][]byte)}
	for watching, query := range map[string]string{
		"":     "resourceVersion=0",
		"true": "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
	} {
		ctx, cancel := context.WithCancel(b.Context())
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/api/v1/pods?"+query, nil)
		if err != nil {
			b.Fatal(err)
		}
		q.Header.Set("Accept", "application/vnd.kubernetes.protobuf")
		body := &recording{header: make(http.Header), end: cancel}
		api.ServeHTTP(body, q)
		cancel()
		r.bodies[watching] = body.Bytes()
	}
	return r
}

// fullClient decodes into the whole types of the API.
func fullClient(b *testing.B, next http.RoundTripper) *rest.RESTClient {
	b.Helper()
	c := &rest.Config{
		Host: "http://127.0.0.1", APIPath: "/api", QPS: -1,
		WrapTransport: func(http.RoundTripper) http.RoundTripper { return next },
		ContentConfig: fullContent(),
	}
	client, err := rest.RESTClientFor(c)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// BenchmarkDecodePods compares what the pods of a node cost with a full decoding of the same
// answer by the same client, in time and in memory that is kept: x-time and x-kept are the
// shares.
func BenchmarkDecodePods(b *testing.B) {
	for _, n := range []int{110, 500} {
		list := manyPods(b, n)
		text, err := json.Marshal(list)
		if err != nil {
			b.Fatal(err)
		}
		answers := record(b, list)
		ours := newBenchServer(b, answers)
		theirs := fullClient(b, answers)
		compareDecoding(b, fmt.Sprint("kubelet/", n), func() any {
			pods, err := decode(text, node)
			if err != nil || len(pods) != n {
				b.Fatal(len(pods), err)
			}
			return pods
		}, func() any {
			var list corev1.PodList
			if err := json.Unmarshal(text, &list); err != nil {
				b.Fatal(err)
			}
			return &list
		})
		compareDecoding(b, fmt.Sprint("poll/", n), func() any {
			pods, err := ours.list(b.Context())
			if err != nil || len(pods) != n {
				b.Fatal(len(pods), err)
			}
			return pods
		}, func() any {
			var list corev1.PodList
			if err := theirs.Get().Resource("pods").Do(b.Context()).Into(&list); err != nil || len(list.Items) != n {
				b.Fatal(len(list.Items), err)
			}
			return &list
		})
		initial := true
		compareDecoding(b, fmt.Sprint("watch/", n), func() any {
			d := newDiscovery(modeWatch, ours, time.Second)
			d.server = ours
			f := newFollower(d)
			events, err := ours.watch(b.Context(), metav1.ListOptions{SendInitialEvents: &initial})
			if err != nil {
				b.Fatal(err)
			}
			store := cache.NewStore(cache.DeletionHandlingMetaNamespaceKeyFunc) // as the reflector does
			collect(b, events, store)
			if err := f.Replace(store.List(), ""); err != nil || len(d.live) != n {
				b.Fatal(len(d.live), err)
			}
			return d
		}, func() any {
			events, err := theirs.Get().Resource("pods").Param("watch", "true").Watch(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			store := cache.NewStore(cache.DeletionHandlingMetaNamespaceKeyFunc)
			collect(b, events, store)
			if len(store.List()) != n {
				b.Fatal(len(store.List()))
			}
			return store
		})
	}
}

// collect enters what a watch tells until its list ends.
func collect(b *testing.B, events watch.Interface, store cache.Store) {
	b.Helper()
	for event := range events.ResultChan() {
		switch event.Type {
		case watch.Added:
			if err := store.Add(event.Object); err != nil {
				b.Fatal(err)
			}
		case watch.Bookmark:
			events.Stop()
			return
		default:
			b.Fatalf("%s: %v", event.Type, event.Object)
		}
	}
	b.Fatal("the list has no end")
}

func newBenchServer(b *testing.B, next http.RoundTripper) *server {
	b.Helper()
	c := defaults()
	s, err := newServer(c, node, new(choice), token.New(c.Token), plugintest.NewHost(b).Host)
	if err != nil {
		b.Fatal(err)
	}
	s.client.Client.Transport = next
	return s
}

// compareDecoding runs both in turns, and fails when ours takes more than a fifth of the
// time, in the median of the turns, or keeps more than a fifth of the memory.
func compareDecoding(b *testing.B, name string, ours, theirs func() any) {
	b.Run(name, func(b *testing.B) {
		var our []time.Duration
		var ratios []float64
		for b.Loop() {
			o, t := several(ours), several(theirs)
			our, ratios = append(our, o), append(ratios, float64(o)/float64(t))
		}
		slices.Sort(our)
		slices.Sort(ratios)
		inTime := ratios[len(ratios)/2]
		inMemory := float64(kept(ours)) / float64(kept(theirs))
		b.ReportMetric(inTime, "x-time")
		b.ReportMetric(inMemory, "x-kept")
		b.ReportMetric(float64(our[len(our)/2].Microseconds()), "µs/ours")
		if inMemory > most {
			b.Errorf("ours keeps %.2f of the memory, want %.1f at most", inMemory, most)
		}
		if inTime > most && len(our) > 10 { // fewer tell nothing
			b.Errorf("ours takes %.2f of the time, want %.1f at most", inTime, most)
		}
	})
}

// several returns the time of one of several decodings in a row, which pay for their own
// garbage, and for nobody else's.
func several(decode func() any) time.Duration {
	const many = 8
	runtime.GC()
	start := time.Now()
	for range many {
		decode()
	}
	return time.Since(start) / many
}

// kept is the memory that a result keeps.
func kept(result func() any) uint64 {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	held := result()
	after := heap()
	runtime.KeepAlive(held)
	return after - before
}
