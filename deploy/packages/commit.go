package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// commit is what git knows of a checkout, in goreleaser's words.
type commit struct {
	Version         string // without v
	FullCommit      string
	ShortCommit     string
	CommitTimestamp int64  // seconds since 1970
	CommitDate      string // in RFC 3339, UTC
	IsGitDirty      bool   // files were changed since
}

// commitOf asks git about a checkout. Where no version is named it is one between the last
// release and the next.
func commitOf(ctx context.Context, source, version, between string) (*commit, error) {
	var g commit
	var err error
	for _, ask := range []struct {
		what string
		to   *string
		args []string
	}{
		{"commit", &g.FullCommit, []string{"rev-parse", "HEAD"}},
		{"commit", &g.ShortCommit, []string{"rev-parse", "--short", "HEAD"}},
		{"commit's time", &g.CommitDate, []string{"log", "-1", "--format=%ct"}},
		{"last release", &g.Version, []string{"tag", "--list", "--merged", "HEAD", "--sort=-version:refname", "v*"}},
	} {
		if *ask.to, err = git(ctx, source, ask.args...); err != nil {
			return nil, fmt.Errorf("find the %s of %s: %w", ask.what, source, err)
		}
	}
	changed, err := git(ctx, source, "status", "--porcelain")
	if err != nil {
		return nil, fmt.Errorf("find what was changed in %s: %w", source, err)
	}
	g.IsGitDirty = changed != ""
	if g.CommitTimestamp, err = strconv.ParseInt(g.CommitDate, 10, 64); err != nil {
		return nil, fmt.Errorf("read the time of the commit of %s: %w", source, err)
	}
	g.CommitDate = time.Unix(g.CommitTimestamp, 0).UTC().Format(time.RFC3339)
	if version != "" {
		g.Version = strings.TrimPrefix(version, "v")
		return &g, nil
	}
	last, _, _ := strings.Cut(g.Version, "\n")
	g.Version = strings.TrimPrefix(last, "v")
	if last == "" {
		g.Version = "0.0.0" // as goreleaser has it before the first release
	}
	g.Version, err = g.expand(between)
	return &g, err
}

// git asks about a folder and returns the answer without white space around it.
func git(ctx context.Context, folder string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", folder}, args...)...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
