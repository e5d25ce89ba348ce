package token_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podjoule/podjoule/token"
)

func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

// write puts a file in place and returns its path.
func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kubectl puts a script named kubectl first into PATH. It runs in, and this
// returns, a directory of its own; each run adds its arguments as a line to the
// file "runs" there.
func kubectl(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	rewrite(t, dir, script)
	return dir
}

func rewrite(t *testing.T, dir, script string) {
	t.Helper()
	path := filepath.Join(dir, "kubectl")
	_ = os.Remove(path) // may not exist yet
	script = "#!/bin/sh\ncd '" + dir + "'\necho \"$@\" >>runs\n" + script
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
}

// runs returns the arguments of each run of the script so far.
func runs(t *testing.T, dir string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "runs"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

func wantRuns(t *testing.T, dir string, want int) {
	t.Helper()
	if got := runs(t, dir); len(got) != want {
		t.Errorf("kubectl ran %d times, want %d", len(got), want)
	}
}

func wantToken(t *testing.T, source *token.Source, want string) {
	t.Helper()
	got, err := source.Token(t.Context())
	if err != nil || got != want {
		t.Errorf("got %q and %v, want %q", got, err, want)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\nwant in it: %s", err, part)
		}
	}
}

// kill ends a process that a script has left behind.
func kill(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}
