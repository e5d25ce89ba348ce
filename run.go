package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/plugin"
)

//go:embed config.toml.example
var exampleConfig string

func runCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Measure this node until a signal comes",
		Long: `Run measures this node, and exports what its configuration says, until a signal
comes: SIGTERM and SIGINT end it with one last tick, so that the last window is
delivered, and a second one ends it at once. SIGHUP has it read the configuration
again. Logs go to the standard error.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file)
			if err != nil {
				return err
			}
			level := new(slog.LevelVar)
			hangups := make(chan os.Signal, 1) // further ones until it is taken are one
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			log := agent.NewLogger(cmd.ErrOrStderr(), cfg.Agent, level)
			started := time.AfterFunc(startIsOver, func() {
				if err := forgetStart(); err != nil {
					log.Debug("what only the start needed stays in memory", "error", err)
				}
			})
			defer started.Stop()
			return agent.Run(cmd.Context(), cfg, agent.RunOptions{
				Version: currentVersion(),
				Log:     log,
				Level:   level,
				Stdout:  cmd.OutOrStdout(),
				Load:    func() (*agent.Config, error) { return loadConfig(file) },
				Reload:  hangups,
			})
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the defaults, or check a configuration",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var file string
	check := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration and say what it turns on",
		Long: `Check reads a configuration as run does, and says which plugins it turns on, or
with file, line and key what is wrong with it. Nothing is started.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file)
			if err != nil {
				return err
			}
			for _, e := range cfg.Plugins {
				every := ""
				if p, ok := e.Config.(plugin.Poller); ok {
					every = fmt.Sprintf(", every %v", p.PollInterval())
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-9s  %s%s\n", e.Plugin.Role, e.Plugin.Name, every); err != nil {
					return err
				}
			}
			return nil
		},
	}
	configFlag(check, &file)
	cmd.AddCommand(check, &cobra.Command{
		Use:   "default",
		Short: "Print every key with its default",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), exampleConfig)
			return err
		},
	})
	return cmd
}

const configVariable = "PODJOULE_CONFIG"

func configFlag(cmd *cobra.Command, file *string) {
	standard := "config.toml"
	if fromEnv := os.Getenv(configVariable); fromEnv != "" {
		standard = fromEnv
	}
	cmd.Flags().StringVarP(file, "config", "c", standard, "configuration `file`; $"+configVariable+" sets the default")
	completeFlag(cmd, "config", completeConfig)
	annotate(cmd, "config", "config.toml")
}

// annotate says the default that a flag has when the environment does not set it.
func annotate(cmd *cobra.Command, flag, standard string) {
	cmd.Flags().Lookup(flag).Annotations = map[string][]string{standardAnnotation: {standard}}
}

// completeConfig completes the names of configurations.
func completeConfig(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"toml"}, cobra.ShellCompDirectiveFilterFileExt
}

func loadConfig(file string) (*agent.Config, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usageError{fmt.Errorf("read the configuration: %w; make one with: podjoule config default > %s", err, file)}
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("read the configuration: %w", err)}
	}
	return agent.Load(file, text, agent.LoadOptions{Plugins: builtin(), DefaultOutput: defaultOutput})
}
