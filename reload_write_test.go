package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/otlp"
	"github.com/podjoule/podjoule/plugins/remotewrite"
)

// A source is added while the receiver of remote write is away: the output stays open, also
// where its queue is in a folder that a second one could not use, and what waits arrives.
func TestReloadKeepsTheQueueOfRemoteWrite(t *testing.T) {
	for place, dir := range map[string]string{"memory": "", "folder": t.TempDir()} {
		t.Run(place, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := remotewrite.Plugin().Config().(*remotewrite.Config)
				c.URL, c.QueueDir = "http://127.0.0.1:9090/api/v1/write", dir
				p := &pusher{inMemory: newInMemory(t, c), name: "remotewrite", arrived: make(map[point]int)}
				p.serveHTTP(t, (&receiver{t: t, take: p.take}).remoteWrite, nil)
				p.wire.Spoil(plugintest.Away)

				windows, added := 0, 0
				more := &measure.Metric{Name: "more", Attributes: []string{"uid"}}
				series := seriesOf(more, "c")
				first, out := threeSeries(&windows).enabled(), p.enabled("remotewrite")
				addition := &scripted{interval: time.Second, metrics: []*measure.Metric{more}, poll: func(b *measure.Batch) {
					if !b.Start.Equal(b.End) {
						added++
						b.Uint(series, uint64(added))
					}
				}}
				second := addition.enabled()
				second.Plugin.Name = "added"
				config := func(plugins ...agent.Enabled) *agent.Config {
					made := &agent.Config{Agent: agent.DefaultSettings(), Plugins: plugins}
					made.Agent.Listen = ""
					return made
				}
				hangup := make(chan os.Signal)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					ended <- agent.Run(ctx, config(first, out), agent.RunOptions{Version: "test", Reload: hangup,
						Load: func() (*agent.Config, error) { return config(first, second, out), nil }})
				}()
				time.Sleep(10*time.Second + 500*time.Millisecond)
				synctest.Wait()
				opened := p.opened.(plugin.Output)
				hangup <- syscall.SIGHUP
				time.Sleep(10 * time.Second)
				synctest.Wait()
				addition.look(func() {
					if p.opened != opened || added == 0 {
						t.Errorf("the output is another one: %v; the source that was added was polled %d times", p.opened != opened, added)
					}
				})
				p.wire.Spoil(nil)
				time.Sleep(time.Minute)
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				synctest.Wait()
				got, twice := len(p.arrived), 0
				for _, times := range p.arrived {
					twice += times - 1
				}
				if want := windows*scriptedSeries + added; got != want || twice > 0 {
					t.Errorf("%d points arrived, %d of them again, want %d", got, twice, want)
				}
			})
		})
	}
}

// The receiver is away because it moved: a reload gives the output its new address, and
// what waited for the old one arrives there, from memory or from a folder, also from one
// that comes with the reload, in order and nothing twice. A reload that fails changes
// nothing of that.
func TestReloadOfAnAddressLosesNothing(t *testing.T) {
	tables := map[string]func(dir string) plugin.Config{
		"otlp by gRPC": func(dir string) plugin.Config {
			c := pushed(otlp.GRPC, "http://127.0.0.1:4317")
			c.QueueDir = dir
			return c
		},
		"otlp by HTTP": func(dir string) plugin.Config {
			c := pushed(otlp.HTTP, "http://127.0.0.1:4318")
			c.QueueDir = dir
			return c
		},
		"remotewrite": func(dir string) plugin.Config {
			c := remotewrite.Plugin().Config().(*remotewrite.Config)
			c.URL, c.QueueDir = "http://127.0.0.1:9090/api/v1/write", dir
			return c
		},
	}
	for name, table := range tables {
		folder := t.TempDir()
		for place, dirs := range map[string][2]string{"in memory": {}, "in a folder": {folder, folder}, "from memory to a folder": {"", t.TempDir()}} {
			t.Run(name+", "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { reloadAnAddress(t, name, table(dirs[0]), table(dirs[0]), table(dirs[1])) })
			})
		}
	}
}

func reloadAnAddress(t *testing.T, name string, old, wrong, moved plugin.Config) {
	arrived, last, late := make(map[point]int), int64(0), 0
	output := func(table plugin.Config, away bool) *pusher {
		p := &pusher{inMemory: newInMemory(t, table), name: name, arrived: arrived}
		r := &receiver{t: t, take: func(a arrival) {
			p.take(a)
			if a.time < last {
				late++
			}
			last = max(last, a.time)
		}}
		switch name {
		case "otlp by gRPC":
			p.serveGRPC(t, r, nil)
		case "otlp by HTTP":
			p.serveHTTP(t, r.overHTTP, nil)
		default:
			p.serveHTTP(t, r.remoteWrite, nil)
		}
		if away {
			p.wire.Spoil(plugintest.Away)
		}
		return p
	}
	before, after := output(old, true), output(moved, false)
	windows := 0
	source := threeSeries(&windows).enabled()
	config := func(plugins ...agent.Enabled) *agent.Config {
		made := &agent.Config{Agent: agent.DefaultSettings(), Plugins: plugins}
		made.Agent.Listen = ""
		return made
	}
	var next *agent.Config
	hangup := make(chan os.Signal)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- agent.Run(ctx, config(source, before.enabled("out")), agent.RunOptions{Version: "test", Reload: hangup,
			Load: func() (*agent.Config, error) { return next, nil }})
	}()
	time.Sleep(10*time.Second + 500*time.Millisecond)

	broken := agent.Enabled{Plugin: plugin.Plugin{Name: "broken", Role: plugin.RoleOutput}, Config: brokenConfig{}}
	next = config(source, output(wrong, true).enabled("out"), broken)
	hangup <- syscall.SIGHUP
	time.Sleep(10 * time.Second)
	synctest.Wait()
	next = config(source, after.enabled("out"))
	hangup <- syscall.SIGHUP
	time.Sleep(time.Minute)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	synctest.Wait()
	twice := 0
	for _, times := range arrived {
		twice += times - 1
	}
	if got, want := len(arrived), windows*scriptedSeries; got != want || twice > 0 || late > 0 {
		t.Errorf("%d points arrived, %d of them again and %d late, want %d", got, twice, late, want)
	}
}

// brokenConfig is of a plugin that cannot be opened.
type brokenConfig struct{}

func (brokenConfig) Validate() error { return nil }
func (brokenConfig) Open(context.Context, *plugin.Host) (any, error) {
	return nil, errors.New("broken")
}
