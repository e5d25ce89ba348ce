// Podjoule is an agent that tells, for every pod on its Kubernetes node, how
// much CPU time, memory and energy the pod used.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/podjoule/podjoule/agent"
)

// Exit statuses, a public contract.
const (
	exitFailed = 1 // it failed while running
	exitUsage  = 2 // bad usage or bad configuration
)

func main() {
	// What client-go would log by itself, some of it with what a credential
	// plugin printed, comes back as errors too.
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal ends the agent in order, a second one ends it at once.
	context.AfterFunc(ctx, stop)
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitStatus(err))
	}
}

// usageError is an error of whoever typed the command.
type usageError struct{ error }

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.error }

func exitStatus(err error) int {
	if errors.As(err, new(usageError)) || errors.As(err, new(*agent.ConfigError)) {
		return exitUsage
	}
	return exitFailed
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "podjoule",
		Short: "Tell what every pod on this Kubernetes node uses: CPU time, memory, energy",
		Long: `Podjoule tells, for every pod on its Kubernetes node, how much CPU time, memory
and energy the pod used.

  podjoule demo                     see it work, without a cluster
  podjoule power                    which energy meters this machine has
  podjoule run --config FILE        measure this node`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true}, // there is one of ours
		Args:              noArguments,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())}
	})
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.AddCommand(runCommand(), demoCommand(), powerCommand(), configCommand(), pluginsCommand(), completionCommand(), versionCommand(),
		manCommand(), simulatedPodCommand())
	return root
}

// noArguments refuses arguments, and with them unknown commands.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s: unknown argument %q; see: %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
}
