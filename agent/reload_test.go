package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Whatever is reloaded and when, each counter's deltas add up to what it counted: of
// sources that stay, that change their interval, and that are replaced. The machine's
// counters stand still between the last poll of the old one and the first of the new.
func TestReloadsLoseNothing(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 8))
			var stays, repaced, replaced counted
			var stayed, paced, anew []*reader
			to := newTally()
			keep, sink := opensReader("stays", time.Second, &stays, &stayed), opensTally("out", to)
			tables := func(i int) []Enabled {
				fresh := opensReader("replaced", 3*time.Second, &replaced, &anew)
				fresh.table["number"] = i
				every := time.Duration(1+rng.IntN(5)) * time.Second
				return []Enabled{keep, opensPaced("repaced", every, &repaced, &paced), fresh, sink}
			}
			r := runReloading(t, config(tables(0)...))
			synctest.Wait()
			for i := 1; i <= 100; i++ {
				for range rng.IntN(4) {
					time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
					for _, c := range []*counted{&stays, &repaced, &replaced} {
						c.n.Add(rng.Uint64N(1000))
					}
				}
				time.Sleep(time.Millisecond)
				r.take(tables(i)...)
			}
			time.Sleep(time.Millisecond)
			r.stop()
			for name, c := range map[string]*counted{"stays": &stays, "repaced": &repaced, "replaced": &replaced} {
				if got, want := to.sums[name], c.n.Load(); got != want {
					t.Errorf("seed %d: %s: Σ deltas = %d, it counted %d", seed, name, got, want)
				}
			}
			if len(stayed) != 1 || len(paced) != 1 || len(anew) != 101 || to.opened != 1 {
				t.Errorf("seed %d: opened %d, %d, %d and %d times", seed, len(stayed), len(paced), len(anew), to.opened)
			}
			for i, x := range anew {
				if !x.closed || x.lasts != 1 {
					t.Errorf("seed %d: replaced %d: closed %v, %d last batches", seed, i, x.closed, x.lasts)
				}
			}
			if stayed[0].lasts != 1 || to.after != 0 || to.alive() > 3 {
				t.Errorf("seed %d: %d last batches, %d samples after the end, %d series alive", seed, stayed[0].lasts, to.after, to.alive())
			}
			if got := r.log.count("configuration is taken"); got != 100 {
				t.Errorf("seed %d: %d reloads in the log", seed, got)
			}
		})
	}
}

// Windows follow each other without a gap, and at the next multiple all is as it was.
func TestReloadSplitsTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counted
		var opened []*reader
		to := newTally()
		keep, sink := opensReader("a", 10*time.Second, &c, &opened), opensTally("out", to)
		b := func(n int) Enabled { e := opensReader("b", 10*time.Second, &c, &opened); e.table["n"] = n; return e }
		r := runReloading(t, config(keep, b(1), sink))
		start := time.Now()
		time.Sleep(14 * time.Second)
		r.take(keep, b(2), sink)
		if got := to.end(10 * time.Second).Sub(start); got != 14*time.Second {
			t.Errorf("the window ended at %v, want 14s", got)
		}
		time.Sleep(6*time.Second + time.Millisecond)
		synctest.Wait()
		if got := to.end(10 * time.Second).Sub(start); got != 20*time.Second {
			t.Errorf("the next window ended at %v, want 20s", got)
		}
		r.stop()
		if to.gaps > 0 {
			t.Errorf("%d windows do not begin where the one before ended", to.gaps)
		}
	})
}

// A wrong configuration changes nothing, and says why.
func TestWrongReloads(t *testing.T) {
	var c counted
	var opened []*reader
	to := newTally()
	keep, sink := opensReader("a", time.Second, &c, &opened), opensTally("out", to)
	closed := 0
	good := output("good", nil)
	good.Config = &stub{open: opens(&full{Output: write(idle), run: untilEnd, close: func() error { closed++; return nil }})}
	fails := output("fails", nil)
	fails.Config = &stub{open: func(context.Context, *plugin.Host) (any, error) { return nil, errBroken }}
	listens := config(keep, sink)
	listens.Agent.Listen, listens.Agent.LogFormat = ":1", "json"
	loud := config(keep, sink)
	loud.Agent.LogLevel = "debug"
	for _, tc := range []struct {
		name  string
		next  *Config
		wrong error
		want  string
	}{
		{"not read", nil, errors.New("config.toml:3: x: unknown key"), "config.toml:3: x: unknown key"},
		{"no source", config(sink), nil, "no source is enabled"},
		{"not opened", config(keep, sink, good, fails), nil, "open fails: broken"},
		{"listen", listens, nil, "listen, log_format of the table [agent] cannot be changed while the agent runs"},
		{"level without a variable", loud, nil, "log_level of the table [agent] cannot be changed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opened, closed = nil, 0
				r := runReloading(t, config(keep, sink))
				time.Sleep(2500 * time.Millisecond)
				r.next, r.wrong = tc.next, tc.wrong
				r.hangup <- nil
				synctest.Wait()
				if r.log.count(tc.want) != 1 || r.log.count("the one before stays in use") != 1 {
					t.Errorf("log: %s", r.log.b.String())
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if len(opened) != 1 || opened[0].closed || opened[0].lasts > 0 {
					t.Error("the source that runs was touched")
				}
				if tc.name == "not opened" && closed != 1 {
					t.Errorf("closed %d times what was opened before the error, want once", closed)
				}
				r.stop()
			})
		})
	}
}

// An output that leaves has its queue flushed and is closed; one that stays goes on.
func TestOutputsAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		out := func(name string) Enabled {
			e := output(name, nil)
			e.Config = &stub{open: func(context.Context, *plugin.Host) (any, error) {
				j.add("open %s", name)
				return &full{
					Output: write(idle),
					run: func(ctx context.Context) error {
						j.add("run %s", name)
						<-ctx.Done()
						time.Sleep(time.Second)
						j.add("flushed %s", name)
						return nil
					},
					close: func() error { j.add("close %s", name); return nil },
				}, nil
			}}
			return e
		}
		src, a := source("s", time.Second, poll(idle)), out("a")
		r := runReloading(t, config(src, a, out("b")))
		synctest.Wait()
		r.take(src, a, out("b"))
		time.Sleep(2 * time.Second)
		r.take(src, a)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for line, want := range map[string]int{"open a": 1, "run a": 1, "flushed a": 0, "close a": 0, "open b": 2, "run b": 2, "flushed b": 2, "close b": 2} {
			if got := j.count(line); got != want {
				t.Errorf("%s: %d times, want %d; %v", line, got, want, j.all())
			}
		}
		r.stop()
		if j.count("flushed a") != 1 || j.count("close a") != 1 {
			t.Errorf("at the end: %v", j.all())
		}
	})
}

// What replaces a plugin knows it, and begins with what is to be done between ticks when
// that is over, which is told why it ends. Where another plugin fails, all goes on.
func TestReplacedBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		opened := 0
		out := func() Enabled {
			e := output("a", nil)
			e.Config = &stub{open: func(_ context.Context, host *plugin.Host) (any, error) {
				opened++
				name := strconv.Itoa(opened)
				before := "nothing"
				if f, ok := host.Replaces.(*full); ok {
					before = f.Output.(named).name
				}
				j.add("%s replaces %s", name, before)
				return &full{Output: named{name, write(idle)}, run: func(ctx context.Context) error {
					j.add("run %s", name)
					<-ctx.Done()
					time.Sleep(time.Second)
					j.add("%s is over: %v", name, context.Cause(ctx))
					return nil
				}}, nil
			}}
			return e
		}
		broken := output("b", nil)
		broken.Config = &stub{open: func(context.Context, *plugin.Host) (any, error) { return nil, errBroken }}
		src := source("s", time.Second, poll(idle))
		r := runReloading(t, config(src, out()))
		synctest.Wait()
		r.take(src, out(), broken)
		r.take(src, out())
		time.Sleep(5 * time.Second)
		r.stop()
		want := []string{"1 replaces nothing", "run 1", "2 replaces 1", "3 replaces 1",
			"1 is over: the plugin is replaced", "run 3", "3 is over: context canceled"}
		if diff := cmp.Diff(want, j.all()); diff != "" {
			t.Errorf("what happened (-want +got):\n%s", diff)
		}
	})
}

// named is an output with a name.
type named struct {
	name string
	plugin.Output
}

// An output takes a key of its table and other metrics in one reload, and is not opened anew.
func TestAdjustsAndAdapts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		out := func(key string) Enabled {
			e := output("a", nil)
			e.table = map[string]any{"key": key}
			e.Config = &stub{open: func(context.Context, *plugin.Host) (any, error) {
				j.add("open with %s", key)
				return adjusting{write(idle), j}, nil
			}}
			return e
		}
		var c counted
		var opened []*reader
		one, two := opensReader("one", time.Second, &c, &opened), opensReader("two", time.Second, &c, &opened)
		r := runReloading(t, config(one, out("1")))
		synctest.Wait()
		r.take(one, out("2"))
		r.take(one, two, out("3"))
		r.take(two, out("3"))
		r.stop()
		want := []string{"open with 1", "adjusted", "adjusted", "adapted to 2", "adapted to 1"}
		if diff := cmp.Diff(want, j.all()); diff != "" {
			t.Errorf("what happened (-want +got):\n%s", diff)
		}
	})
}

// adjusting is an output that takes all that comes.
type adjusting struct {
	plugin.Output
	*journal
}

func (adjusting) AdjustedKeys() []string { return []string{"key"} }
func (a adjusting) Adjust(plugin.Config) { a.add("adjusted") }
func (a adjusting) Adapt(metrics []*measure.Metric) (func(), bool) {
	return func() { a.add("adapted to %d", len(metrics)) }, true
}

// A transform that leaves takes its series along, and one that stays sees the sources' go.
func TestTransformsAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counted
		var opened []*reader
		to := newTally()
		s, m := opensReader("s", time.Second, &c, &opened), &measure.Metric{Name: "derived"}
		five := opensReader("five", 5*time.Second, &c, &opened)
		derived := func() Enabled {
			of := &measure.Series{Metric: m} // it is told with batches of either interval
			return transform("t", apply(func(_ context.Context, b *measure.Batch) error { b.Uint(of, 1); return nil }))
		}
		r := runReloading(t, config(s, five, derived(), opensTally("out", to)))
		sink := opensTally("out", to)
		time.Sleep(6500 * time.Millisecond)
		r.take(s, five, derived(), sink)
		if got := to.alive(); got != 2 {
			t.Errorf("%d series are alive, want those of the two sources", got)
		}
		time.Sleep(6 * time.Second)
		r.stop()
		if to.after > 0 {
			t.Errorf("%d samples of series that had ended", to.after)
		}
	})
}

// The end of the agent comes while a reload is under way: nothing is left open.
func TestReloadAtTheEnd(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var c counted
			var opened []*reader
			slow := source("slow", time.Hour, poll(func(ctx context.Context, _ *measure.Batch) error { time.Sleep(2 * time.Second); return nil }))
			r := runReloading(t, config(slow, opensReader("a", time.Hour, &c, &opened)))
			r.next = config(slow, opensReader("a", time.Minute, &c, &opened))
			r.hangup <- nil
			time.Sleep(after)
			r.stop()
			for i, x := range opened {
				if !x.closed {
					t.Errorf("after %v: source %d is still open", after, i)
				}
			}
		})
	}
}

// A hundred reloads leave no goroutine and no callback behind.
func TestReloadsLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := new(journal)
		n := 0
		out := func() Enabled {
			e := output("o", nil)
			e.Config = &stub{open: func(_ context.Context, h *plugin.Host) (any, error) {
				n++
				id := n
				_, err := h.Meter.Int64ObservableGauge("podjoule.o.depth", observed(func() int64 { asked.add("%d", id); return int64(id) }))
				return &full{Output: write(idle), run: untilEnd}, err
			}}
			return e
		}
		probe := new(hostProbe)
		watch := output("probe", nil)
		probe.bind(&watch)
		src := source("s", time.Second, poll(idle))
		r := runReloading(t, config(src, out(), watch))
		time.Sleep(1500 * time.Millisecond)
		ours := func() int { return strings.Count(goroutinesOfOurs(t), "goroutine ") }
		before := ours()
		for range 100 {
			r.take(src, out(), watch)
		}
		if got := ours(); got != before {
			t.Errorf("%d goroutines, %d before", got, before)
		}
		already := len(asked.all())
		time.Sleep(time.Second)
		r.stop()
		for _, who := range asked.all()[already:] {
			if who != "101" {
				t.Errorf("the callback of plugin %s was asked, which is closed", who)
			}
		}
		if got := probe.sum["podjoule.o.depth"]; got != 101 {
			t.Errorf("told is %d, want what the last one says", got)
		}
		if strings.Contains(r.log.b.String(), "did not end well") {
			t.Error(r.log.b.String())
		}
	})
}
