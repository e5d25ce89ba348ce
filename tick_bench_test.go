package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/simnode"
)

// stopwatch is an output that tells of each window.
type stopwatch struct{ windows chan window }

type window struct {
	passed  time.Duration
	samples int
}

// Validate implements plugin.Config.
func (*stopwatch) Validate() error { return nil }

// Open implements plugin.Config.
func (w *stopwatch) Open(context.Context, *plugin.Host) (any, error) { return w, nil }

// Write implements plugin.Output.
func (w *stopwatch) Write(_ context.Context, b *measure.Batch) error {
	select {
	case w.windows <- window{b.End.Sub(b.Start), len(b.Samples)}:
	default: // nobody looks any more
	}
	return nil
}

func (w *stopwatch) plugin() plugin.Plugin {
	return plugin.Plugin{
		Name: "stopwatch", Doc: "tells of each window", Role: plugin.RoleOutput,
		Config: func() plugin.Config { return w },
	}
}

// fullNode serves a node with as many pods as the kubelet admits by default.
func fullNode(b *testing.B) (url, root string) {
	b.Helper()
	api := simnode.NewAPI()
	url, err := api.Listen()
	if err != nil {
		b.Fatal(err)
	}
	tree, err := simnode.NewTree(b.TempDir(), simnode.Layout{Version: simnode.V2, Driver: simnode.Systemd})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = api.Close(), tree.Close() })
	for i := range tickPods {
		p := simnode.NewPod(simnode.PodTemplate{Namespace: "shop", Name: fmt.Sprint("web-", i), Node: "node-1", QoS: corev1.PodQOSBurstable})
		api.Put(p)
		if err := tree.AddPod(p); err != nil {
			b.Fatal(err)
		}
	}
	return url, tree.Root()
}

const (
	tickPods     = 110
	tickSeries   = 11 // of a pod
	tickInterval = 10 * time.Millisecond
)

// BenchmarkTick10ms runs the whole agent on a full node at 10 ms, in real time: an
// operation is a tick. It reports how many of the ticks were held, in percent, and
// what the process allocates in one.
func BenchmarkTick10ms(b *testing.B) {
	for _, output := range []string{"", "[plugins.prometheus]\n"} {
		name := "sources"
		if output != "" {
			name = "prometheus"
		}
		b.Run(name, func(b *testing.B) { benchmarkTicks(b, output) })
	}
}

func benchmarkTicks(b *testing.B, output string) {
	url, root := fullNode(b)
	text := fmt.Sprintf("[agent]\nlisten = \"127.0.0.1:0\"\n[plugins.k8s]\nk8s_node = \"node-1\"\nk8s_api_url = %q\ncgroup_root = %q\npoll_interval = \"%v\"\n%s[plugins.stopwatch]\n",
		url, root, tickInterval, output)
	watch := &stopwatch{make(chan window, 1000)}
	cfg, err := agent.Load("the benchmark's configuration", []byte(text), agent.LoadOptions{Plugins: append(builtin(), watch.plugin())})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, cfg, agent.RunOptions{Version: "test"}) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	next := func() window {
		select {
		case w := <-watch.windows:
			return w
		case err := <-ended:
			ended <- nil
			b.Fatalf("the agent ended: %v", err)
		}
		return window{}
	}
	for settled := 0; settled < 50; { // all pods have their names and a window
		if next().samples == tickPods*tickSeries {
			settled++
		}
	}
	var passed time.Duration
	ticks := 0
	b.ReportAllocs()
	for b.Loop() {
		w := next()
		passed += w.passed
		ticks++
		if w.samples != tickPods*tickSeries {
			b.Fatalf("%d samples in a window, want %d", w.samples, tickPods*tickSeries)
		}
	}
	b.ReportMetric(100*float64(ticks)/max(float64(ticks), float64(passed)/float64(tickInterval)), "%-held")
}
