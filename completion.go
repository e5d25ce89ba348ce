package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// shells returns the shells that completion is for, each with what writes its script.
func shells(root *cobra.Command) map[string]func(io.Writer) error {
	return map[string]func(io.Writer) error{
		"bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"zsh":  root.GenZshCompletion,
	}
}

// completionCommand stands in for cobra's own, which has a shell that is not used where
// podjoule runs, and ends with 1 when it is called wrongly.
func completionCommand() *cobra.Command {
	names := []string{"bash", "fish", "zsh"}
	return &cobra.Command{
		Use:   "completion bash|fish|zsh",
		Short: "Print what has a shell complete commands, flags and names",
		Long: `Completion prints a script for a shell, which then completes podjoule's commands,
flags, files and the names of plugins. For this session:

  source <(podjoule completion bash)
  source <(podjoule completion zsh)
  podjoule completion fish | source

For good, write it to a file that the shell reads at its start:

  bash  /usr/share/bash-completion/completions/podjoule
  zsh   /usr/share/zsh/site-functions/_podjoule
  fish  /usr/share/fish/vendor_completions.d/podjoule.fish`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(names, args[0]) {
				return usageError{fmt.Errorf("%s wants one of %s, have %q; see: %[1]s --help", cmd.CommandPath(), strings.Join(names, ", "), args)}
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return shells(cmd.Root())[args[0]](cmd.OutOrStdout()) },
	}
}

// completePlugins completes the names of plugins that were not typed yet.
func completePlugins(_ *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	for _, p := range builtin() {
		if !slices.Contains(typed, p.Name) {
			names = append(names, cobra.CompletionWithDesc(p.Name, p.Doc))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeFlag says what completes the value of a flag, which the command has.
func completeFlag(cmd *cobra.Command, flag string, by cobra.CompletionFunc) {
	// It fails for a flag that the command has not: TestCompletion asks every flag.
	_ = cmd.RegisterFlagCompletionFunc(flag, by)
}
