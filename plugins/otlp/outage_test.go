package otlp

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// TestLongOutage keeps a receiver away for six hours of ticks, in memory and in a folder,
// bounded by bytes and by age: what waits keeps the bound, the oldest go, and exactly
// as many points are counted as dropped as do not arrive.
func TestLongOutage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bytes  int
		age    time.Duration
		reason string
	}{
		{"bytes", 100_000, 24 * time.Hour, "queue_full"},
		{"age", 100 << 20, 10 * time.Minute, "queue_age"},
	} {
		for place, dir := range map[string]string{"memory": "", "folder": t.TempDir()} {
			t.Run(tt.name+" "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := defaults()
					c.QueueBytes, c.QueueAge, c.QueueDir = tt.bytes, plugin.Duration(tt.age), dir
					var got []int64
					up := time.Now().Add(6 * time.Hour)
					o, host := open(t, c, script(func(_ context.Context, body []byte) (answer, error) {
						if time.Now().Before(up) {
							return answer{code: "503", retry: true}, errDown
						}
						got = append(got, values(decode(t, body))...)
						return ok, nil
					}))
					end := run(t, o)
					s := ofPod(cpuTime, "a")
					const ticks = 6 * 3600 / 5
					for n := range ticks {
						_ = o.Write(t.Context(), count(s, n)) // it tells of each loss
						if bytes := o.queue.Stats().Bytes; bytes > tt.bytes {
							t.Fatalf("%d bytes wait, the bound is %d", bytes, tt.bytes)
						}
						pass(5 * time.Second)
					}
					pass(time.Minute)
					if err := end(); err != nil {
						t.Errorf("Run returned %v", err)
					}
					if len(got) < 50 || got[len(got)-1] != ticks {
						t.Fatalf("%d points arrived, want many, with the newest", len(got))
					}
					first := got[0]
					for i, v := range got {
						if v != first+int64(i) {
							t.Fatalf("point %d is %d after %d: they are not in order or lack some", i, v, got[max(0, i-1)])
						}
					}
					lost := host.Counter(t, "podjoule.otlp.dropped_points", attribute.String("reason", tt.reason))
					if lost != ticks-int64(len(got)) || lost != first-1 || lost == 0 {
						t.Errorf("%d points are counted as dropped, %d are missing", lost, ticks-len(got))
					}
				})
			})
		}
	}
}

// TestNothingGoesUncounted lets a receiver refuse, fail, hang, take a part and lose its
// answers at random, and the agent restart and be killed, with a folder: at the end,
// produced = delivered + rejected + dropped + waiting, in points, but for what was under
// way at a kill and may be there twice.
func TestNothingGoesUncounted(t *testing.T) {
	seeds := uint64(25)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) { uncounted(t, seed, dir) })
	}
}

func uncounted(t *testing.T, seed uint64, dir string) {
	random := rand.New(rand.NewPCG(seed, 3))
	c := defaults()
	c.QueueBytes, c.QueueAge, c.QueueDir = 20_000, plugin.Duration(10*time.Minute), dir
	var arrived []int64
	var well atomic.Bool
	whims := rand.New(rand.NewPCG(seed, 4)) // the receiver's own: it runs beside the writer
	receiver := script(func(ctx context.Context, body []byte) (answer, error) {
		if !well.Load() {
			switch whims.IntN(8) {
			case 0, 1:
				return answer{code: "503", retry: true, after: time.Duration(whims.IntN(60)) * time.Second}, errDown
			case 2:
				return answer{code: "400"}, errDown
			case 3:
				return answer{code: noAnswer, retry: true}, hang(ctx)
			case 4:
				time.Sleep(time.Duration(whims.IntN(3000)) * time.Millisecond)
			case 5:
				return answer{code: "200", rejected: 1}, nil // of one point
			}
		}
		arrived = append(arrived, values(decode(t, body))...)
		return ok, nil
	})
	var counted int64
	books := func(host *plugintest.Host) {
		counted += host.Counter(t, "podjoule.otlp.points") + host.Counter(t, "podjoule.otlp.rejected_points") +
			host.Counter(t, "podjoule.otlp.dropped_points")
	}
	o, host := open(t, c, receiver)
	end := run(t, o)
	s := ofPod(cpuTime, "a")
	produced := int64(0)
	for n := range 300 {
		_ = o.Write(t.Context(), count(s, n)) // it tells of losses
		produced++
		pass(time.Duration(random.IntN(10)) * time.Second)
		switch random.IntN(40) {
		case 0: // a restart
			_ = end()
		case 1: // a kill: the next one finds a copy of the files as they are now
			synctest.Wait()
			c.QueueDir = copyOf(t, c.QueueDir)
			books(host)
			_ = end() // what it still does is not counted
			_ = o.Close()
			o, host = open(t, c, receiver)
			end = run(t, o)
			continue
		default:
			continue
		}
		books(host)
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		o, host = open(t, c, receiver)
		end = run(t, o)
	}
	synctest.Wait() // the last process may have just begun
	waits := host.Counter(t, "podjoule.otlp.queue.points")
	books(host)
	if counted+waits != produced {
		t.Errorf("seed %d: %d points are counted and %d wait of %d that were produced", seed, counted, waits, produced)
	}
	well.Store(true)
	pass(time.Hour)
	if left := host.Counter(t, "podjoule.otlp.queue.points"); left != 0 {
		t.Errorf("seed %d: %d points wait for ever", seed, left)
	}
	_ = end()
	if !slices.Contains(arrived, 300) && host.Counter(t, "podjoule.otlp.dropped_points")+host.Counter(t, "podjoule.otlp.rejected_points") == 0 {
		t.Errorf("seed %d: the newest point neither arrived nor was it given up", seed)
	}
}

// hang waits for the end of a context.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// copyOf copies a folder, as a kill leaves it.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
