// Command packages builds a package of podjoule for Debian or for RPM from a checkout, for
// the machine that it runs on. What is in a package it reads from .goreleaser.yaml: a
// package of a release, which goreleaser makes, is the same to the byte.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "packages: %v\n", err)
		os.Exit(1)
	}
}

const usage = `usage: packages -o FILE.deb [FLAG...]            builds podjoule of a checkout and packs it
       packages -o FILE.rpm [FLAG...]
       packages files -program FILE -o FOLDER   writes what a package has besides the program
                                                and the checkout's files

`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("packages", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = io.WriteString(stderr, usage)
		flags.PrintDefaults()
	}
	output := flags.String("o", "", "write to this `file or folder`")
	source := flags.String("source", filepath.Join("..", ".."), "the checkout's `folder`")
	if len(args) > 0 && args[0] == "files" {
		program := flags.String("program", "", "ask this `file`; one for another machine is left alone")
		if err := parse(flags, args[1:]); err != nil {
			return err
		}
		if *program == "" || *output == "" {
			return errors.New("files: -program and -o have to be there")
		}
		return writeFiles(ctx, *source, *program, *output)
	}
	version := flags.String("version", "", "the `version`, as 1.2.3, instead of one between releases")
	program := flags.String("program", "", "pack this `file` instead of building one")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *output == "" {
		return errors.New("-o has to be there: a file that ends with .deb or .rpm")
	}
	o := order{file: *output, source: *source, version: *version, program: *program}
	made, err := o.build(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s  %s\n", made, *output)
	return err
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q", flags.Arg(0))
	}
	return nil
}
