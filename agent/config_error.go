package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/podjoule/podjoule/agent/plugin"
)

// ConfigError is one thing that is wrong with a configuration.
type ConfigError struct {
	// File is the name that was given to Load.
	File string
	// Line counts from 1. It is 0 where the error is about no line.
	Line int
	// Key is the dotted key, such as "plugins.k8s.poll_interval". It is empty
	// where the error is about no key.
	Key string
	Err error
}

// Error returns "file:line: key: what is wrong".
func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// problem is a ConfigError whose line is not known yet.
type problem struct {
	key toml.Key
	err error
}

// maxProblems bounds how much is told about a file that is wrong all over.
const maxProblems = 20

// errors turns problems into errors with lines, in the order of the file.
func (d *document) errors(problems []problem) error {
	slices.SortStableFunc(problems, func(a, b problem) int { return d.place(a.key) - d.place(b.key) })
	var errs []error
	for i, p := range problems {
		if i == maxProblems {
			errs = append(errs, &ConfigError{File: d.file, Err: fmt.Errorf("%d more errors", len(problems)-i)})
			break
		}
		errs = append(errs, &ConfigError{File: d.file, Line: d.line(p.key), Key: p.key.String(), Err: p.err})
	}
	return errors.Join(errs...)
}

// keyProblems takes apart what a Validate returned about the table of a key.
func keyProblems(err error, table toml.Key) []problem {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var found []problem
		for _, e := range joined.Unwrap() {
			found = append(found, keyProblems(e, table)...)
		}
		return found
	}
	var about *plugin.KeyError
	if errors.As(err, &about) && about.Key != "" {
		return []problem{{join(table, strings.Split(about.Key, ".")...), about.Err}}
	}
	return []problem{{table, err}}
}

// join returns a new key, so that keys never share memory.
func join(key toml.Key, more ...string) toml.Key {
	return slices.Concat(key, toml.Key(more))
}
