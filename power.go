package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/plugin"
)

func powerCommand() *cobra.Command {
	var file string
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "power",
		Short: "List the energy meters of this machine, and read those that work",
		Long: `Power lists the energy meters that this machine has or lacks, says why one is not
used and what would make it usable, and reads those that work for a moment.

With a configuration it looks where that says (sysfs_root, procfs_root), and uses
its tables; without, it looks in /sys and /proc, and takes the defaults. It ends
with 0 when it could look, also where there is nothing to read.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if length <= 0 {
				return usageError{fmt.Errorf("--for wants a time such as 1s, have %v", length)}
			}
			cfg := &agent.Config{Agent: agent.DefaultSettings()}
			if file != "" {
				var err error
				if cfg, err = loadConfig(file); err != nil {
					return err
				}
			}
			report, err := readPower(cmd.Context(), builtin(), cfg, file, length)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), report)
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", os.Getenv(configVariable),
		"configuration `file`; none is all defaults, $"+configVariable+" sets another")
	completeFlag(cmd, "config", completeConfig)
	annotate(cmd, "config", "")
	cmd.Flags().DurationVar(&length, "for", time.Second, "how `long` to read")
	return cmd
}

// readPower reads the meters of a machine for some time, with the sources of energy among
// some plugins. The file is the configuration's, empty where there is none.
func readPower(ctx context.Context, plugins []plugin.Plugin, cfg *agent.Config, file string, length time.Duration) (*powerReport, error) {
	sources := openEnergySources(ctx, plugins, cfg)
	report := &powerReport{config: file, passed: readEnergy(ctx, sources, length)}
	var errs []error
	for _, s := range sources {
		report.add(s)
		errs = append(errs, s.close())
	}
	report.rows = append(report.rows, unsupportedMeters(cfg.Agent)...)
	return report, errors.Join(errs...)
}
