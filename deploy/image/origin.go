package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// origin is what a program was made of. Its time is that of the commit and not that of the
// build: the same source has the same image whenever it is built.
type origin struct {
	version, revision string
	created           time.Time // in UTC
}

// origin asks git for what the command line does not say.
func (o *order) origin(ctx context.Context) (origin, error) {
	from := o.from
	remedy := "name it with -version, -revision and -created where there is no git"
	if from.version == "" {
		var err error
		if from.version, err = git(ctx, o.source, "describe", "--tags", "--always", "--dirty"); err != nil {
			return from, fmt.Errorf("find the version of %s: %w; %s", o.source, err, remedy)
		}
	}
	if !versions().MatchString(from.version) {
		return from, fmt.Errorf("the version %q: want letters, digits, and any of .+_/-", from.version)
	}
	if from.revision == "" {
		var err error
		if from.revision, err = git(ctx, o.source, "rev-parse", "HEAD"); err != nil {
			return from, fmt.Errorf("find the commit of %s: %w; %s", o.source, err, remedy)
		}
	}
	if !versions().MatchString(from.revision) {
		return from, fmt.Errorf("the revision %q: want letters, digits, and any of .+_/-", from.revision)
	}
	seconds := o.epoch
	if seconds == "" {
		var err error
		if seconds, err = git(ctx, o.source, "log", "-1", "--format=%ct"); err != nil {
			return from, fmt.Errorf("find when the commit of %s was made: %w; %s", o.source, err, remedy)
		}
	}
	since, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || since < 0 {
		return from, fmt.Errorf("-created or SOURCE_DATE_EPOCH is %q: want whole seconds since 1970", seconds)
	}
	from.created = time.Unix(since, 0).UTC()
	return from, nil
}

// versions are those that reach the linker as they are; revisions are like them.
func versions() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z.+_/-]+$`) }

// git asks about a folder and returns the answer without white space around it.
func git(ctx context.Context, folder string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", folder}, args...)...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
