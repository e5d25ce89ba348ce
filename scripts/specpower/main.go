// Command specpower derives the table of plugins/estimate: watts per hardware thread of whole
// servers, by CPU micro-architecture, idle and fully busy, with their spread.
//
// Its input is a folder with results.csv, the published results of SPECpower_ssj2008, and
// families/*.csv, the names of the CPUs of each micro-architecture, as the folder data of the
// repository cloud-carbon-footprint/ccf-coefficients has them. It is no part of this repository:
// the table is, with a hash of the input.
//
//	go run ./scripts/specpower -date 2026-03-09 FOLDER          writes plugins/estimate/table.go
//	go run ./scripts/specpower -date 2026-03-09 -check FOLDER   fails when that would change it
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "specpower:", err)
		os.Exit(1)
	}
}

// run does what the arguments say, and says on the given writer what was left out.
func run(args []string, says io.Writer) error {
	flags := flag.NewFlagSet("specpower", flag.ContinueOnError)
	flags.SetOutput(says)
	date := flags.String("date", "", "the date of the input, as in 2026-03-09; it is part of the table's version")
	out := flags.String("out", "plugins/estimate/table.go", "the file of the table")
	check := flags.Bool("check", false, "write nothing, and fail when the file is not what would be written")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("want one argument, the folder with results.csv and families/")
	}
	day, err := time.Parse(time.DateOnly, *date)
	if err != nil {
		return fmt.Errorf("-date: want the date of the input as in 2026-03-09, have %q", *date)
	}
	text, err := derive(os.DirFS(flags.Arg(0)), day, says)
	if err != nil {
		return err
	}
	if !*check {
		return os.WriteFile(*out, text, 0o644)
	}
	have, err := os.ReadFile(*out)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, text) {
		return fmt.Errorf("%s is not what %s gives: write it anew without -check", *out, flags.Arg(0))
	}
	return nil
}
