package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podjoule/podjoule/agent/plugin"
)

func pluginsCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "plugins [NAME]...",
		Short:             "List the plugins and the metrics that they make",
		Long:              "Plugins lists the plugins and the metrics that they make: all, or those that are\nnamed.",
		ValidArgsFunction: completePlugins,
		RunE: func(cmd *cobra.Command, names []string) error {
			plugins, err := pluginsNamed(names)
			if err != nil {
				return err
			}
			return listPlugins(cmd.OutOrStdout(), plugins)
		},
	}
}

// pluginsNamed returns the plugins of some names in pipeline order; all for none. A name
// that is unknown is a usageError.
func pluginsNamed(names []string) ([]plugin.Plugin, error) {
	all := builtin()
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, p := range all {
		known = append(known, p.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, usageError{fmt.Errorf("unknown plugin %q; known are %s", name, strings.Join(known, ", "))}
		}
	}
	return slices.DeleteFunc(all, func(p plugin.Plugin) bool { return !slices.Contains(names, p.Name) }), nil
}

func listPlugins(w io.Writer, plugins []plugin.Plugin) error {
	for _, p := range plugins {
		if _, err := fmt.Fprintf(w, "%-10s  %-9s  %s\n", p.Name, p.Role, p.Doc); err != nil {
			return err
		}
		for _, m := range p.Metrics {
			if _, err := fmt.Fprintf(w, "    %-42s %-5s  %-5s  %s\n", m.Name, m.Kind, m.Unit, m.Help); err != nil {
				return err
			}
		}
	}
	return nil
}
