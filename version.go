package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// These are set when a release is linked: -ldflags "-X main.version=v1.2.3 -X main.commit=… -X main.date=…".
// What is not set the Go tool has noted, where it built from a checkout or from a module.
var (
	version string
	commit  string //nolint:gochecknoglobals // the linker sets it
	date    string //nolint:gochecknoglobals // the linker sets it
)

// build is what a program knows of how it was built. What it does not know is empty.
type build struct {
	Version   string `json:"version"`
	Commit    string `json:"commit,omitempty"`
	Date      string `json:"date,omitempty"`     // of the commit, in RFC 3339
	Modified  *bool  `json:"modified,omitempty"` // whether files were changed since the commit
	GoVersion string `json:"goVersion"`
	Platform  string `json:"platform"` // as linux/amd64
}

// buildOf puts together what was linked in and what the Go tool noted, of which the first
// counts. The note may be nil.
func buildOf(linked build, note *debug.BuildInfo) build {
	b := linked
	b.GoVersion, b.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	noted := make(map[string]string)
	if note != nil {
		for _, s := range note.Settings {
			noted[s.Key] = s.Value
		}
	}
	switch revision := noted["vcs.revision"]; {
	case b.Version != "":
	case note == nil:
		b.Version = "unknown"
	case note.Main.Version != "" && note.Main.Version != "(devel)":
		b.Version = note.Main.Version
	case len(revision) >= 12:
		b.Version = "devel-" + revision[:12]
	default:
		b.Version = "devel"
	}
	// The Go tool may have noted the checkout of somebody who packs the program: what it says of a
	// commit belongs together.
	if b.Commit == "" && b.Date == "" {
		b.Commit, b.Date = noted["vcs.revision"], noted["vcs.time"]
		switch noted["vcs.modified"] {
		case "true", "false":
			modified := noted["vcs.modified"] == "true"
			b.Modified = &modified
		}
	}
	if b.Modified == nil && b.Commit != "" {
		// Both git describe --dirty and the Go tool say so at the end.
		modified := strings.HasSuffix(b.Version, "dirty")
		b.Modified = &modified
	}
	return b
}

func currentBuild() build {
	note, _ := debug.ReadBuildInfo()
	return buildOf(build{Version: version, Commit: commit, Date: date}, note)
}

// currentVersion returns the version that was linked in, or what the Go tool
// noted about the build.
func currentVersion() string { return currentBuild().Version }

// String is what people read: the version, and a line for each detail.
func (b build) String() string {
	known := func(text string) string {
		if text == "" {
			return "unknown"
		}
		return text
	}
	modified := "unknown"
	if b.Modified != nil {
		modified = map[bool]string{true: "yes", false: "no"}[*b.Modified]
	}
	return fmt.Sprintf("podjoule %s\n  commit    %s\n  date      %s\n  modified  %s\n  go        %s\n  platform  %s\n",
		b.Version, known(b.Commit), known(b.Date), modified, b.GoVersion, b.Platform)
}

func versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, and what it was built from",
		Long: `Version prints the version, the commit that the program was built from and when
that was made, whether files were changed since, and with which Go and for which
platform it was built. What is not known is unknown, and missing in JSON.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := currentBuild().String()
			switch format {
			case "text":
			case "json":
				line, err := json.Marshal(currentBuild())
				if err != nil {
					return fmt.Errorf("write the version in JSON: %w", err)
				}
				text = string(line) + "\n"
			default:
				return usageError{fmt.Errorf("--output wants text or json, have %q", format)}
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", "text", "`format`: text or json")
	completeFlag(cmd, "output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
