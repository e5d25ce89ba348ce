package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// standardAnnotation marks a flag whose default depends on the environment: its value is the
// default without it.
const standardAnnotation = "podjoule_standard"

// manCommand is hidden: who packs the program runs it.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the man pages into a folder",
		Long: `Man writes the man pages into a folder, which it makes where it is missing: one of
section 1 for each command, and podjoule.toml(5) for the configuration. They are dated by
SOURCE_DATE_EPOCH, or else by the commit that the program was built from.`,
		Hidden: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("%s wants one folder, have %q", cmd.CommandPath(), args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			day, err := manDate(os.Getenv("SOURCE_DATE_EPOCH"), currentBuild().Date)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the folder of the man pages: %w", err)
			}
			pages := manPages(cmd.Root(), day, "podjoule "+currentVersion())
			for _, name := range slices.Sorted(maps.Keys(pages)) {
				if err := os.WriteFile(filepath.Join(args[0], name), []byte(pages[name]), 0o644); err != nil {
					return fmt.Errorf("write a man page: %w", err)
				}
			}
			return nil
		},
	}
}

// manDate is the day on pages: of seconds since 1970 where they are said, or of the commit;
// empty where neither is known, and never today.
func manDate(epoch, committed string) (string, error) {
	if epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil || seconds < 0 {
			return "", usageError{fmt.Errorf("SOURCE_DATE_EPOCH is %q: want whole seconds since 1970", epoch)}
		}
		return time.Unix(seconds, 0).UTC().Format(time.DateOnly), nil
	}
	if when, err := time.Parse(time.RFC3339, committed); err == nil {
		return when.UTC().Format(time.DateOnly), nil
	}
	return "", nil
}

// manPages returns all pages under the names of their files.
func manPages(root *cobra.Command, date, source string) map[string]string {
	pages := map[string]string{"podjoule.toml.5": configurationPage(date, source)}
	addCommandPages(pages, root, date, source)
	return pages
}

func addCommandPages(pages map[string]string, cmd *cobra.Command, date, source string) {
	pages[pageName(cmd)+".1"] = commandPage(cmd, date, source)
	for _, sub := range visible(cmd) {
		addCommandPages(pages, sub, date, source)
	}
}

// pageName is podjoule-config-check for podjoule config check.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// visible returns the commands below one that people are told of.
func visible(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(sub *cobra.Command) bool {
		return !sub.IsAvailableCommand() || sub.Name() == "help"
	})
}

func commandPage(cmd *cobra.Command, date, source string) string {
	var r roff
	r.title(pageName(cmd), 1, date, source)
	r.section("NAME")
	fmt.Fprintf(&r.b, "%s \\- %s\n", escapeRoff(pageName(cmd)), escapeRoff(cmd.Short))
	r.section("SYNOPSIS")
	_, arguments, _ := strings.Cut(cmd.Use, " ")
	if subs := visible(cmd); len(subs) > 0 {
		arguments = "[COMMAND]"
	}
	fmt.Fprintf(&r.b, "%s [%s] %s\n", bold(cmd.CommandPath()), italic("flags"), escapeRoff(arguments))
	r.section("DESCRIPTION")
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	r.text(text)
	if subs := visible(cmd); len(subs) > 0 {
		r.section("COMMANDS")
		for _, sub := range subs {
			r.item(bold(pageName(sub))+"(1)", sub.Short)
		}
	}
	r.section("OPTIONS")
	cmd.InitDefaultHelpFlag()
	cmd.Flags().VisitAll(func(f *pflag.Flag) { r.option(f) })
	r.section("EXIT STATUS")
	r.item(bold(strconv.Itoa(exitUsage)), "bad usage, or a bad configuration")
	r.item(bold(strconv.Itoa(exitFailed)), "it failed while running")
	r.item(bold("0"), "all else")
	if cmd.Flags().Lookup("config") != nil {
		r.section("ENVIRONMENT")
		r.item(bold(configVariable), "the configuration, where no flag names one")
	}
	r.section("SEE ALSO")
	r.b.WriteString(strings.Join(related(cmd), ",\n") + "\n")
	return r.b.String()
}

// option writes a flag with its default, which may not be that of who makes the pages.
func (r *roff) option(f *pflag.Flag) {
	term := bold("--" + f.Name)
	if f.Shorthand != "" {
		term = bold("-"+f.Shorthand) + ", " + term
	}
	value, usage := pflag.UnquoteUsage(f)
	if value != "" {
		term += " " + italic(value)
	}
	standard := f.DefValue
	if said, found := f.Annotations[standardAnnotation]; found {
		standard = strings.Join(said, "")
	}
	if standard != "" && f.Value.Type() != "bool" {
		usage += " (default " + standard + ")"
	}
	r.item(term, usage)
}

// related names the pages around one: what is above it, its siblings, and the configuration.
func related(cmd *cobra.Command) []string {
	around := visible(cmd)
	if above := cmd.Parent(); above != nil {
		around = append(append(around, above), visible(above)...)
	}
	var names []string
	for _, other := range around {
		if other != cmd {
			names = append(names, bold(pageName(other))+"(1)")
		}
	}
	slices.Sort(names)
	return append(names, bold("podjoule.toml")+"(5)")
}

func configurationPage(date, source string) string {
	var r roff
	r.title("podjoule.toml", 5, date, source)
	r.section("NAME")
	r.b.WriteString("podjoule.toml \\- configuration of podjoule\n")
	r.section("DESCRIPTION")
	r.text(`The file is TOML: config.toml in the working directory, unless --config or $` + configVariable + ` names another one. Packages and the
unit of systemd have it at /etc/podjoule/config.toml.

A plugin runs when its table is there; "enable = false" in it turns it off. Where no output has a table, rows of CSV go to the
standard output. Every key may be left out, and has its default then.

${NAME} in a text stands for an environment variable, $${ for ${ itself. A duration is a text such as "5s", "500ms" or "1h", a size one
such as "64MiB".

"podjoule config check" says what is wrong, with file, line and key. SIGHUP has a running agent read the file again; where it is
wrong, the agent goes on as before.`)
	r.section("KEYS AND DEFAULTS")
	r.b.WriteString("This is what \"podjoule config default\" prints.\n")
	r.verbatim(exampleConfig)
	r.section("SEE ALSO")
	r.b.WriteString(bold("podjoule-run") + "(1),\n" + bold("podjoule-config-check") + "(1),\n" + bold("podjoule-plugins") + "(1)\n")
	return r.b.String()
}
