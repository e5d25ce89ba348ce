package remotewrite

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// TestAnHoursOutage is A21: the receiver is away for an hour of ticks. What waits keeps its
// bound, in memory and on the disk; the oldest samples go, and as many are counted as are
// missing; what arrives arrives once.
func TestAnHoursOutage(t *testing.T) {
	for _, version := range []string{Version1, Version2} {
		for place, dir := range map[string]string{"memory": "", "folder": t.TempDir()} {
			t.Run(version+" "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { anHourAway(t, version, dir) })
			})
		}
	}
}

func anHourAway(t *testing.T, version, dir string) {
	const (
		every  = 5 * time.Second
		leaves = 60 // ticks
		comes  = leaves + int(time.Hour/every)
		ticks  = comes + 60
		series = 3
		bound  = 20_000
	)
	n := newNode()
	r := newHandler(t)
	w := plugintest.NewWire()
	server := &http.Server{Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(w) }()
	t.Cleanup(func() { _ = server.Close() })
	host := plugintest.NewHost(t, n.metrics()...)
	host.Dial = w.Dial
	c := config("http://127.0.0.1:9090/api/v1/write")
	c.ProtocolVersion, c.QueueBytes, c.QueueDir = version, bound, dir
	out := startOn(t, host, c)
	fullest := 0
	for i := range ticks {
		switch i {
		case leaves:
			w.Spoil(plugintest.Away)
		case comes:
			if err := out.Ready(); err == nil {
				t.Error("Ready tells nothing after an hour")
			}
			w.Spoil(nil)
		}
		_ = out.Write(t.Context(), batch(i, n.sample)) // it tells of each loss
		synctest.Wait()
		waiting := out.queue.Stats().Bytes
		if fullest = max(fullest, waiting); waiting > bound {
			t.Fatalf("tick %d: %d bytes wait, the bound is %d", i, waiting, bound)
		}
		if files := plugintest.QueueSize(t, dir); dir != "" && (files > bound || files != waiting) {
			t.Fatalf("tick %d: %d bytes are in the folder and %d are told, the bound is %d", i, files, waiting, bound)
		}
		time.Sleep(every)
	}
	synctest.Wait()
	if err := out.Ready(); err != nil {
		t.Errorf("Ready: %v, minutes after the outage", err)
	}
	if err := out.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	lost := int(host.Counter(t, "podjoule.remotewrite.dropped_samples", attribute.String("reason", "queue_full")))
	if all := host.Counter(t, "podjoule.remotewrite.dropped_samples"); lost == 0 || lost%series != 0 || all != int64(lost) || fullest < bound*9/10 {
		t.Errorf("%d samples are dropped, %d of them for lack of room, and %d bytes waited at most of %d", all, lost, fullest, bound)
	}
	arrived := make(map[string][]int) // ticks by series
	for _, g := range r.all() {
		if g.time != 0 { // else it is what a metric is, by version 1.0
			arrived[g.labels] = append(arrived[g.labels], int((g.time-tick.UnixMilli())/1000))
		}
	}
	if len(arrived) != series {
		t.Errorf("%d series arrived, want %d", len(arrived), series)
	}
	sum := 0
	for labels, got := range arrived {
		sum += len(got)
		next := 0
		for _, i := range got {
			if next == leaves {
				next += lost / series // the oldest of the outage
			}
			if i != next {
				t.Fatalf("%s: the sample of tick %d came in place of that of %d: want the newest, once and in order", labels, i, next)
			}
			next++
		}
		if next != ticks {
			t.Errorf("%s: the last sample is of tick %d, want %d", labels, next-1, ticks-1)
		}
	}
	if sum+lost != series*ticks || host.Counter(t, "podjoule.remotewrite.samples") != int64(sum) {
		t.Errorf("%d samples arrived and %d are dropped of %d; %d are counted as taken",
			sum, lost, series*ticks, host.Counter(t, "podjoule.remotewrite.samples"))
	}
}
