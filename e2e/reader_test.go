//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reader types the commands of a document into one shell, as somebody would who reads it
// from top to bottom in an empty folder.
type reader struct {
	folder  string
	file    string
	blocks  []typed
	instead *strings.Replacer
	stdin   io.Writer
	lines   chan string
}

// typed is a block of commands, and the heading above it.
type typed struct{ heading, text string }

// newReader starts a shell in which podjoule is the agent of these tests. Names of the
// document are replaced by the test's own, pair by pair.
func newReader(t *testing.T, file string, instead ...string) *reader {
	t.Helper()
	r := &reader{folder: t.TempDir(), file: file, instead: strings.NewReplacer(instead...), lines: make(chan string, 1000)}
	var heading string
	for _, found := range regexp.MustCompile("(?ms)^#+ (.*?)\n|^```sh\n(.*?)^```\n|^```.*?^```\n").FindAllStringSubmatch(text(t, file), -1) {
		if found[1] != "" {
			heading = found[1]
		}
		if found[2] != "" {
			r.blocks = append(r.blocks, typed{heading, found[2]})
		}
	}
	bin := t.TempDir()
	if err := os.Symlink(binary(t), filepath.Join(bin, "podjoule")); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("bash") // not ended with the test, whose cleanup types too
	shell.Dir, shell.WaitDelay = r.folder, 10*time.Second
	shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, in := io.Pipe()
	shell.Stdout, shell.Stderr = in, in
	stdin, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdin = stdin
	if err := shell.Start(); err != nil {
		t.Fatalf("start a shell: %v", err)
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

// seek leaves out what comes before the next block under a heading.
func (r *reader) seek(t *testing.T, heading string) {
	t.Helper()
	next := slices.IndexFunc(r.blocks, func(b typed) bool { return b.heading == heading })
	if next < 0 {
		t.Fatalf("%s: no more commands are under %q but %v", r.file, heading, r.blocks)
	}
	r.blocks = r.blocks[next:]
}

// leave leaves out the next n blocks.
func (r *reader) leave(t *testing.T, n int) {
	t.Helper()
	if len(r.blocks) <= n {
		t.Fatalf("%s: only %d blocks are left: %v", r.file, len(r.blocks), r.blocks)
	}
	r.blocks = r.blocks[n:]
}

// types types the next block, which has to be under a heading, and returns what the shell
// shows until it is done. A command that fails fails the test.
func (r *reader) types(t *testing.T, heading string) string {
	t.Helper()
	if len(r.blocks) == 0 || r.blocks[0].heading != heading {
		t.Fatalf("%s: the next commands are not under %q but of %v", r.file, heading, r.blocks)
	}
	text := r.instead.Replace(r.blocks[0].text)
	r.blocks = r.blocks[1:]
	if _, err := fmt.Fprintf(r.stdin, "set -e -o pipefail\n%sset +e\necho %s\n", text, done); err != nil {
		t.Fatalf("%s: the shell has ended: %v", r.file, err)
	}
	var shown strings.Builder
	late := time.After(limit)
	for {
		select {
		case line, open := <-r.lines:
			if line == done {
				return shown.String()
			}
			if !open || line == ended {
				t.Fatalf("%s: a command failed:\n%s%s", r.file, text, shown.String())
			}
			shown.WriteString(line + "\n")
		case <-late:
			t.Fatalf("%s: not done after %v:\n%s%s", r.file, limit, text, shown.String())
		}
	}
}

// has waits until a file of the folder holds all of some texts in one line.
func (r *reader) has(t *testing.T, name string, words ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s has a row with %q", name, words), func() bool {
		rows, err := os.ReadFile(filepath.Join(r.folder, name))
		if err != nil {
			return false
		}
		for row := range strings.Lines(string(rows)) {
			all := true
			for _, word := range words {
				all = all && strings.Contains(row, word)
			}
			if all {
				return true
			}
		}
		return false
	})
}
