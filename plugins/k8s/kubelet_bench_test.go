package k8s

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// manyPods is a kubelet's answer of n pods: those of a captured one, again and again.
func manyPods(b *testing.B, n int) []byte {
	b.Helper()
	var list corev1.PodList
	if err := json.Unmarshal(capturedList(b, "v1"), &list); err != nil {
		b.Fatal(err)
	}
	captured := list.Items
	list.Items = nil
	for i := range n {
		p := captured[i%len(captured)].DeepCopy()
		p.UID += "-" + p.UID[:4]
		p.Name = fmt.Sprint(p.Name, "-", i)
		list.Items = append(list.Items, *p)
	}
	text, err := json.Marshal(&list)
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// BenchmarkDecodePods compares what the pods of a node cost with a full decoding, in
// time and in memory that is kept: x-time and x-kept are the shares.
func BenchmarkDecodePods(b *testing.B) {
	for _, n := range []int{110, 500} {
		text := manyPods(b, n)
		full := func() any {
			var list corev1.PodList
			if err := json.Unmarshal(text, &list); err != nil {
				b.Fatal(err)
			}
			return &list
		}
		short := func() any {
			pods, err := decode(text, node)
			if err != nil || len(pods) != n {
				b.Fatal(len(pods), err)
			}
			return pods
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var ours, theirs []time.Duration
			for b.Loop() {
				start := time.Now()
				short()
				middle := time.Now()
				full()
				ours, theirs = append(ours, middle.Sub(start)), append(theirs, time.Since(middle))
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			b.ReportMetric(float64(ours[len(ours)/2])/float64(theirs[len(theirs)/2]), "x-time")
			b.ReportMetric(float64(kept(short))/float64(kept(full)), "x-kept")
		})
	}
}

// kept is the memory that a result keeps.
func kept(result func() any) uint64 {
	heap := func() uint64 {
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
