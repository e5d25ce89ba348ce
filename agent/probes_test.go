package agent

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

func TestReadyz(t *testing.T) {
	firstPoll, go1, ticked := make(chan struct{}), make(chan struct{}), make(chan struct{}, 100)
	n := 0
	src := struct {
		plugin.Source
		plugin.Readier
	}{poll(func(context.Context, *measure.Batch) error {
		if n++; n == 1 {
			close(firstPoll)
			<-go1
		}
		return nil
	}), ready(func() error { signal(ticked); return nil })}
	bad := func(context.Context, *measure.Batch) error { return errBroken }
	address, stop := start(t, config(source("s", time.Millisecond, src), transform("t", apply(idle)), output("o", write(bad))), RunOptions{})
	<-firstPoll
	code, got := readyz(t, address)
	ok := func(name, role string) pluginStatus { return pluginStatus{Name: name, Role: role, State: "ok"} }
	if diff := cmp.Diff(readiness{Status: "starting", Plugins: []pluginStatus{ok("s", "source"), ok("t", "transform"), ok("o", "output")}}, got); diff != "" || code != 503 {
		t.Errorf("before the first tick: %d (-want +got):\n%s", code, diff)
	}
	if code, body := get(t, address+"/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("healthz before the first tick: %d %q", code, body)
	}
	close(go1)
	<-ticked
	<-ticked // the second tick: the first one is done
	code, got = readyz(t, address)
	want := readiness{Status: "degraded", Plugins: []pluginStatus{ok("s", "source"), ok("t", "transform"), {Name: "o", Role: "output", State: "failing", Error: "write: broken"}}}
	if diff := cmp.Diff(want, got); diff != "" || code != 200 {
		t.Errorf("with an output that fails: %d (-want +got):\n%s", code, diff)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// signal must not block the loop, whoever listens.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// readyz returns the answer without its times, which it checks.
func readyz(t *testing.T, address string) (int, readiness) {
	t.Helper()
	code, body := get(t, address+"/readyz")
	var r readiness
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("readyz: %v in %s", err, body)
	}
	if r.LastTick != "" {
		if _, err := time.Parse(time.RFC3339Nano, r.LastTick); err != nil {
			t.Errorf("last tick: %v", err)
		}
		r.LastTick = ""
	}
	for i, p := range r.Plugins {
		since, err := time.Parse(time.RFC3339, p.Since)
		if err != nil || time.Since(since) < 0 || time.Since(since) > time.Hour {
			t.Errorf("since: %q is no time in the last hour", p.Since)
		}
		r.Plugins[i].Since = ""
	}
	return code, r
}

func TestReadyzIsOK(t *testing.T) {
	ticked := make(chan struct{}, 1000)
	src := struct {
		plugin.Source
		plugin.Readier
	}{poll(idle), ready(func() error { signal(ticked); return nil })}
	address, stop := start(t, config(source("s", time.Millisecond, src)), RunOptions{})
	<-ticked
	<-ticked
	if code, got := readyz(t, address); code != 200 || got.Status != "ok" {
		t.Errorf("got %d %+v, want 200 ok", code, got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop([]*member{{role: plugin.RoleSource, interval: time.Minute}, {role: plugin.RoleSource, interval: 2 * time.Second}}, nil)
		check := func(what string, want bool) {
			t.Helper()
			if got := l.alive(time.Now()); got != want {
				t.Errorf("%s: alive is %v, want %v", what, got, want)
			}
		}
		check("at the start", true)
		if !l.lastTick().IsZero() {
			t.Error("started before the first tick")
		}
		time.Sleep(10 * time.Second)
		l.all = nil
		l.after()
		if l.lastTick().IsZero() {
			t.Error("not started after the first tick")
		}
		check("after a tick", true)
		time.Sleep(11*time.Second - 1) // 3 times 2 s and 5 s
		check("just before the limit", true)
		time.Sleep(1)
		check("at the limit", false)
		l.after()
		check("after the next tick", true)
	})
}

func TestHealthzOfALoopThatHangs(t *testing.T) {
	l := newLoop([]*member{{role: plugin.RoleSource, interval: time.Second}}, nil)
	l.base = l.base.Add(-time.Minute)
	s, err := listen(t.Context(), Settings{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	s.own((&probes{loop: l}).pages()...)
	s.show(s.newPages(nil))
	if err := s.serve(testLog(io.Discard)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.shutdown(); err != nil {
			t.Error(err)
		}
	}()
	if code, body := get(t, "http://"+s.listener.Addr().String()+"/healthz"); code != 503 || !strings.Contains(body, "not ticked") {
		t.Errorf("got %d %q, want 503", code, body)
	}
}
