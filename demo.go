package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/simnode"
)

// simulatedPod is the hidden command that a process of a simulated pod runs.
const simulatedPod = "simulated-pod"

func simulatedPodCommand() *cobra.Command {
	return &cobra.Command{
		Use:    simulatedPod,
		Short:  "Be a process of a simulated pod, as told on the standard input",
		Hidden: true,
		Args:   noArguments,
		RunE:   func(cmd *cobra.Command, _ []string) error { return simnode.Burn(cmd.InOrStdin(), cmd.OutOrStdout()) },
	}
}

func demoCommand() *cobra.Command {
	var d demo
	var onlyReal, simulated bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Measure a small simulated node, and show the truth beside the numbers",
		Long: `Demo makes a small Kubernetes node on this machine, runs the real agent on it,
and shows what the agent measures beside what was really used. As root, the pods
are real processes in real cgroups; otherwise the cgroups are files that the demo
writes. The energy meter is always simulated, so that the truth is known: what
meters this machine really has, podjoule power tells. It leaves nothing behind.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case onlyReal && simulated:
				return usageError{errors.New("--real and --simulated contradict each other")}
			case d.length <= 0:
				return usageError{fmt.Errorf("--for wants a time such as 30s, have %v", d.length)}
			case onlyReal:
				d.mode = simnode.Real
			case simulated:
				d.mode = simnode.Simulated
			}
			d.out = cmd.OutOrStdout()
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().DurationVar(&d.length, "for", 30*time.Second, "how `long` to measure")
	cmd.Flags().BoolVar(&onlyReal, "real", false, "fail where there are no real cgroups to be had, instead of simulating them")
	cmd.Flags().BoolVar(&simulated, "simulated", false, "simulate cgroups, even where real ones can be had")
	return cmd
}

// demo measures a simulated node.
type demo struct {
	length time.Duration
	mode   simnode.Mode
	out    io.Writer
}

// Pods on a real node take a moment to go after their processes have ended. The
// demo measures often enough to see them in that moment.
const demoInterval = 200 * time.Millisecond

// demoConfig is what a user's file would hold, plus what moves the simulated meter and the
// table that compares. The idle power is known, as it is of a machine that was measured
// without work: there are no quiet moments in a demo to learn it from.
const demoConfig = `[agent]
listen = "127.0.0.1:0"
log_level = "warn"
sysfs_root = %[5]q
procfs_root = %[6]q

[plugins.k8s]
k8s_node = "%[1]s"
k8s_api_url = "%[2]s"
cgroup_root = %[3]q
poll_interval = "%[4]v"
pod_refresh_interval = "500ms"

[plugins.rapl]
poll_interval = "%[4]v"

[plugins.attribution]
idle_watts = { package = %[7]d }

[plugins.prometheus]

[plugins.` + simulatedMeterName + `]

[plugins.` + comparisonName + `]
`

func (d *demo) run(ctx context.Context) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, which simulated pods run: %w", err)
	}
	d.printf("Starting a small Kubernetes node on this machine …\n")
	node, err := simnode.Start(ctx, simnode.Options{Mode: d.mode, Command: []string{self, simulatedPod}})
	if ctx.Err() != nil {
		return err // asked to stop before it began
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()

	text := fmt.Sprintf(demoConfig, simnode.NodeName, node.APIURL(), node.CgroupRoot(), demoInterval,
		node.SysfsRoot(), node.ProcfsRoot(), simnode.IdleWatts)
	meter := &simulatedMeter{count: node.Count}
	table := newComparison(node.Truth, meter.truth, (&display{out: d.out, columns: columnsOf(d.out)}).show)
	plugins := slices.Concat([]plugin.Plugin{meter.plugin()}, builtin(), []plugin.Plugin{table.plugin()})
	cfg, err := agent.Load("the demo's configuration", []byte(text), agent.LoadOptions{Plugins: plugins})
	if err != nil {
		return err
	}
	d.printf("%s", wrap(node.Describe(), "", "")+wrap(fmt.Sprintf("The agent asks the node's API server at %s for the pods' names, and reads "+
		"the counters of their cgroups and the energy meter every %v, for %v. Ctrl-C ends it earlier.", node.APIURL(), demoInterval, d.length), "", ""))

	ctx, cancel := context.WithTimeout(ctx, d.length)
	defer cancel()
	var group errgroup.Group
	group.Go(func() error {
		defer cancel()
		return node.Run(ctx)
	})
	group.Go(func() error {
		defer cancel()
		return agent.Run(ctx, cfg, agent.RunOptions{
			Version: currentVersion(),
			Log:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
			Listening: func(a net.Addr) {
				d.printf("Meanwhile, the same numbers for Prometheus, those of the simulated meter too:\nhttp://%s/metrics\n\n", a)
			},
		})
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return table.energy.check()
}

// printf writes to the user. Nobody is left to be told when that fails.
func (d *demo) printf(format string, args ...any) { _, _ = fmt.Fprintf(d.out, format, args...) }

// columnsOf returns what tells how many columns w has, where lines can be written anew:
// 0 where it is no terminal.
func columnsOf(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func() int { return 0 }
	}
	return func() int {
		const usual = 100 // of a terminal that does not tell
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil || columns <= 0 {
			return usual
		}
		return columns
	}
}
