package otlp

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// TestAnHoursOutage is A21 with real clients and servers: the receiver is away for an hour
// of ticks. What waits keeps its bound, in memory and on the disk; the oldest points go, and
// as many are counted as are missing; what arrives arrives once.
func TestAnHoursOutage(t *testing.T) {
	for _, protocol := range []string{GRPC, HTTP} {
		for place, dir := range map[string]string{"memory": "", "folder": t.TempDir()} {
			t.Run(protocol+" "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { anHourAway(t, protocol, dir) })
			})
		}
	}
}

func anHourAway(t *testing.T, protocol, dir string) {
	const (
		tick   = 5 * time.Second
		leaves = 60 // ticks
		comes  = leaves + int(time.Hour/tick)
		ticks  = comes + 60
		bound  = 60_000
	)
	r := new(receiver)
	client, w := serve(t, protocol, r)
	w.Spoil(nil)
	c := defaults()
	c.QueueBytes, c.QueueDir = bound, dir
	o, host := open(t, c, client)
	end := run(t, o)
	s := ofPod(cpuTime, "a")
	fullest := 0
	for n := range ticks {
		switch n {
		case leaves:
			w.Spoil(plugintest.Away)
		case comes:
			if err := o.Ready(); err == nil {
				t.Error("Ready tells nothing after an hour")
			}
			w.Spoil(nil)
		}
		_ = o.Write(t.Context(), count(s, n)) // it tells of each loss
		synctest.Wait()
		waiting := o.queue.Stats().Bytes
		if fullest = max(fullest, waiting); waiting > bound {
			t.Fatalf("tick %d: %d bytes wait, the bound is %d", n, waiting, bound)
		}
		if files := plugintest.QueueSize(t, dir); dir != "" && (files > bound || files != waiting) {
			t.Fatalf("tick %d: %d bytes are in the folder and %d are told, the bound is %d", n, files, waiting, bound)
		}
		pass(tick)
	}
	if err := o.Ready(); err != nil {
		t.Errorf("Ready is %v, minutes after the outage", err)
	}
	if err := end(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	lost := int(host.Counter(t, "podjoule.otlp.dropped_points", attribute.String("reason", "queue_full")))
	var want []int64 // all but the oldest of the outage
	for n := range ticks {
		if n < leaves || n >= leaves+lost {
			want = append(want, int64(n+1))
		}
	}
	if got := slices.Concat(r.values()...); !slices.Equal(got, want) {
		t.Errorf("%d points arrived of %d, %d are counted as dropped; or they are not the newest, once and in order", len(got), ticks, lost)
	}
	if all := host.Counter(t, "podjoule.otlp.dropped_points"); lost == 0 || all != int64(lost) || fullest < bound*9/10 {
		t.Errorf("%d points are dropped, %d of them for lack of room, and %d bytes waited at most of %d", all, lost, fullest, bound)
	}
	if got := host.Counter(t, "podjoule.otlp.points"); got != int64(len(want)) {
		t.Errorf("%d points are counted as delivered, want %d", got, len(want))
	}
}
