package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reader types the commands of a document into one shell, as somebody would who reads
// it from top to bottom in an empty folder.
type reader struct {
	t       *testing.T
	folder  string
	instead *strings.Replacer
	stdin   io.Writer
	lines   chan string
}

// newReader starts a shell in which podjoule is this program, and some other commands
// are the scripts that are given. Names and places of a document are replaced by the test's own,
// pair by pair.
func newReader(t *testing.T, scripts map[string]string, instead ...string) *reader {
	t.Helper()
	for _, command := range []string{"bash", "curl", "awk", "base64"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("the document's commands need it: %v", err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, folder: t.TempDir(), instead: strings.NewReplacer(instead...), lines: make(chan string, 1000)}
	bin := t.TempDir()
	as := map[string]string{"podjoule": fmt.Sprintf("%s=1 %s= exec %q \"$@\"\n", asProgram, configVariable, self)}
	for name, script := range scripts {
		as[name] = script
	}
	for name, script := range as {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	shell := exec.CommandContext(t.Context(), "bash")
	shell.Dir = r.folder
	shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0")
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	shell.WaitDelay = 10 * time.Second
	out, in := io.Pipe()
	shell.Stdout, shell.Stderr = in, in
	stdin, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdin = stdin
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(stdin, "trap 'echo %s' EXIT\n", ended); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) // with all that still runs in it
		_ = shell.Wait()
		_ = in.Close()
	})
	return r
}

// What the shell says when a block is done, and when it ends because a command failed.
const (
	done  = "podjoule-test-done"
	ended = "podjoule-test-ended"
)

// types types one block and returns what the shell shows until it is done. A command
// that fails fails the test.
func (r *reader) types(b block) string {
	r.t.Helper()
	text := r.instead.Replace(b.text)
	if _, err := fmt.Fprintf(r.stdin, "set -e -o pipefail\n%sset +e\necho %s\n", text, done); err != nil {
		r.t.Fatalf("%s:%d: the shell has ended: %v", b.file, b.line, err)
	}
	var shown strings.Builder
	late := time.After(time.Minute)
	for {
		select {
		case line, open := <-r.lines:
			if line == done {
				return shown.String()
			}
			if !open || line == ended {
				r.t.Fatalf("%s:%d: a command failed:\n%s%s", b.file, b.line, text, shown.String())
			}
			shown.WriteString(line + "\n")
		case <-late:
			r.t.Fatalf("%s:%d: not done after a minute:\n%s%s", b.file, b.line, text, shown.String())
		}
	}
}

// file is a file of the folder, "" where it is not there yet.
func (r *reader) file(name string) string {
	text, err := os.ReadFile(filepath.Join(r.folder, name))
	if err != nil {
		return ""
	}
	return string(text)
}
