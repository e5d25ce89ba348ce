package main

import (
	"context"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
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
