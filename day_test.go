package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/plugins/csv"
	"github.com/podjoule/podjoule/plugins/otlp"
	"github.com/podjoule/podjoule/plugins/prometheus"
	"github.com/podjoule/podjoule/plugins/remotewrite"
)

// births is how many pods, of two series each, are born in a tick of two minutes: 10,080
// series an hour. Half of them live for one tick more, the others for two, so that there are
// always as many, and as many end in each tick.
const (
	births = 168
	alive  = births * 3 / 2
)

// turnover is a source whose pods come and go by a script, and a truth to hold outputs
// against.
type turnover struct {
	work, level *measure.Metric
	born, ticks int
	pods        []scriptedPod
	total       uint64            // of all work
	hours       map[int64]float64 // work by the hour in which a window ended
}

type scriptedPod struct {
	work, level *measure.Series
	dies        int // tick
}

func (c *turnover) poll(b *measure.Batch) {
	if b.Start.Equal(b.End) {
		return // no window yet
	}
	c.ticks++
	for range births {
		uid := strconv.Itoa(c.born)
		c.pods = append(c.pods, scriptedPod{seriesOf(c.work, uid), seriesOf(c.level, uid), c.ticks + c.born%2 + 1})
		c.born++
	}
	left := c.pods[:0]
	for i, p := range c.pods {
		v := uint64(1 + (i+c.ticks)%7)
		b.Uint(p.work, v)
		b.Uint(p.level, v)
		c.total += v
		c.hours[b.End.Unix()/3600] += float64(v)
		if p.dies == c.ticks && !b.Last {
			b.Retire(p.work, p.level)
			continue
		}
		left = append(left, p)
	}
	clear(c.pods[len(left):])
	c.pods = left
}

// accounts are what a receiver has of series that have not ended, and the work of those
// that have.
type accounts struct {
	mu         sync.Mutex
	cumulative bool
	work       map[string]uint64 // by uid
	levels     map[string]bool
	ended      uint64 // work of series that are over, or of all of them where it comes as deltas
	strays     int    // ends of what is not known
}

func newAccounts(cumulative bool) *accounts {
	return &accounts{cumulative: cumulative, work: make(map[string]uint64), levels: make(map[string]bool)}
}

func (a *accounts) take(p arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case p.counter && !a.cumulative:
		a.ended += p.value
	case p.counter && p.end:
		if _, known := a.work[p.uid]; !known {
			a.strays++
		}
		a.ended += a.work[p.uid]
		delete(a.work, p.uid)
	case p.counter:
		a.work[p.uid] = p.value
	case p.end:
		if !a.levels[p.uid] {
			a.strays++
		}
		delete(a.levels, p.uid)
	default:
		a.levels[p.uid] = true
	}
}

// check holds the accounts against the truth. There may be as many series more as are told
// to have ended in the next tick.
func (a *accounts) check(t *testing.T, name string, truth *turnover, more int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	total := a.ended
	for _, v := range a.work {
		total += v
	}
	live := len(truth.pods)
	if a.cumulative && len(a.work) != live+more || len(a.levels) != live+more || a.strays > 0 {
		t.Errorf("%s: %d counters and %d gauges have not ended, want %d; %d ends of unknown ones", name, len(a.work), len(a.levels), live+more, a.strays)
	}
	if total != truth.total {
		t.Errorf("%s: work is %d, want %d", name, total, truth.total)
	}
}

// TestADay lets 10,000 series an hour come and go for a simulated day, through the real host
// and into all outputs at once: the heap and the goroutines stay as they were after two
// hours, and every output has the right series and sums (A18, A23, O7).
func TestADay(t *testing.T) {
	hours := 24
	if testing.Short() {
		hours = 5
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { aDay(t, hours, dir) })
}

func aDay(t *testing.T, hours int, dir string) {
	work, level := scriptedMetrics()
	truth := &turnover{work: work, level: level, hours: make(map[int64]float64)}
	source := &scripted{interval: 2 * time.Minute, metrics: []*measure.Metric{work, level}, poll: truth.poll}

	page := newInMemory(t, prometheus.Plugin().Config())
	page.self = true
	files := filepath.Join(dir, "day.csv")
	rows := newInMemory(t, &csv.Config{Path: files, RotateEvery: plugin.Duration(time.Hour), Keep: 2, RenameAttributes: plugin.Renames{}})
	takers := map[string]*accounts{"cumulative": newAccounts(true), "delta": newAccounts(false), "remotewrite": newAccounts(true)}
	cumulative, delta := newInMemory(t, pushed(otlp.GRPC, "http://127.0.0.1:4317")), newInMemory(t, pushed(otlp.HTTP, "http://127.0.0.1:4318"))
	cumulative.self = true
	cumulative.serveGRPC(t, &receiver{t: t, take: takers["cumulative"].take}, nil)
	cumulative.Config.(*otlp.Config).Temporality = otlp.Cumulative
	flat := delta.Config.(*otlp.Config)
	flat.QueueDir, flat.Identity = filepath.Join(dir, "queue"), otlp.Point
	delta.serveHTTP(t, (&receiver{t: t, take: takers["delta"].take}).overHTTP, nil)
	written := newInMemory(t, remotewrite.Plugin().Config())
	written.serveHTTP(t, (&receiver{t: t, take: takers["remotewrite"].take}).remoteWrite, nil)

	stop := startAgent(t, source.enabled(), rows.enabled("csv"), page.enabled("prometheus"),
		cumulative.enabled("otlp"), delta.enabled("otlp_delta"), written.enabled("remotewrite"))
	time.Sleep(30 * time.Second)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a small heap is collected all the time
	var heap, routines int
	for hour := 1; hour <= hours; hour++ {
		for range 4 {
			time.Sleep(15 * time.Minute)
			synctest.Wait()
			source.look(func() { checkDayPage(t, page, truth) })
		}
		source.look(func() {
			takers["cumulative"].check(t, "cumulative", truth, 0)
			takers["delta"].check(t, "delta", truth, 0)
			takers["remotewrite"].check(t, "remotewrite", truth, births) // ends are told with the next batch
			checkHour(t, dir, truth)
			if got := page.ofAgent(t, "podjoule.agent.series", "scripted"); got != 2*len(truth.pods) || len(truth.pods) != alive {
				t.Errorf("hour %d: the host knows %d series, want %d", hour, got, 2*len(truth.pods))
			}
		})
		nowHeap, nowRoutines := inUse(), runtime.NumGoroutine()
		t.Logf("hour %d: %d bytes in use, %d goroutines", hour, nowHeap, nowRoutines)
		switch {
		case hour == 2:
			heap, routines = nowHeap, nowRoutines
		case hour > 2 && (nowHeap > heap*11/10 || nowHeap < heap*9/10 || nowRoutines > routines):
			t.Errorf("hour %d: %d bytes are in use and %d goroutines run, %d and %d after two hours", hour, nowHeap, nowRoutines, heap, routines)
		}
	}
	late := page.ofAgent(t, "podjoule.agent.late_ticks", "")
	failures := page.ofAgent(t, "podjoule.agent.plugin.errors", "")
	if err := stop(); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	if late != 0 || failures != 0 {
		t.Errorf("%d ticks were late, and %d calls failed", late, failures)
	}
	for name, a := range takers {
		a.check(t, name+" in the end", truth, 0)
	}
	if got, want := truth.born/births, hours*30+1; got != want {
		t.Errorf("%d windows, want %d", got, want)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "queue", "*.gz")); err != nil || len(left) > 0 {
		t.Errorf("%v are left in the queue, error %v", left, err)
	}
}

// inUse is what the heap holds, without what is to be freed.
func inUse() int {
	for range 3 { // pools are emptied by two
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// checkDayPage scrapes: it shows the gauges of pods that live, their counters, and the
// counters of those that ended in the last five minutes.
func checkDayPage(t *testing.T, page *inMemory, truth *turnover) {
	t.Helper()
	text := page.page("/metrics")
	gauges, counters := strings.Count(text, "\npodjoule_level{"), strings.Count(text, "\npodjoule_work_total{")
	const kept = births * 3 // what ended in this tick and in the two before
	if gauges != len(truth.pods) || counters != gauges+kept {
		t.Errorf("tick %d: the page has %d gauges and %d counters, want %d, and %d more", truth.ticks, gauges, counters, len(truth.pods), kept)
	}
	if want := fmt.Sprintf("podjoule_agent_series{plugin=%q", "scripted"); !strings.Contains(text, want) {
		t.Errorf("the page has no %s", want)
	}
}

// checkHour adds up the newest file that was rotated, which has one whole hour, and counts
// the files.
func checkHour(t *testing.T, dir string, truth *turnover) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "day*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 || len(all) > 3 { // two that are kept, and the one that grows
		t.Errorf("there are %d files: %v", len(all), all)
		return
	}
	text, err := os.ReadFile(all[len(all)-2]) // the one that grows is day.csv, the last by name
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	var hour int64
	for line := range bytes.Lines(text) {
		cells := bytes.SplitN(line, []byte{','}, 5)
		if string(cells[1]) != "work_delta" {
			continue
		}
		v, err := strconv.ParseFloat(string(cells[3]), 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
		if hour == 0 {
			end, err := time.Parse(time.RFC3339, string(cells[0]))
			if err != nil {
				t.Fatal(err)
			}
			hour = end.Unix() / 3600
		}
	}
	if want := truth.hours[hour]; sum != want || sum == 0 {
		t.Errorf("the file of hour %d has work of %v, want %v", hour, sum, want)
	}
	for h := range truth.hours {
		if h < hour {
			delete(truth.hours, h)
		}
	}
}
