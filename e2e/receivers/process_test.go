//go:build receivers

package receivers

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what takes a moment on an idle machine.
const patience = 60 * time.Second

// eventually waits until something is so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// process is a program that runs.
type process struct {
	name, log string
	cmd       *exec.Cmd
	done      chan struct{} // closed when it has ended
	err       error         // of its end
}

// launch starts a program, whose output goes to a file. A test ends what it started, and
// one that failed shows what it said.
func launch(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: name, log: filepath.Join(t.TempDir(), name+".log"), cmd: cmd, done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s said:\n%s", name, last(p.said(t), 8<<10))
		}
	})
	return p
}

func last(text string, bytes int) string { return text[max(0, len(text)-bytes):] }

// said is what the program has written so far.
func (p *process) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tells waits until a program has written something, and returns the first group of it.
func (p *process) tells(t *testing.T, what string) string {
	t.Helper()
	var found []string
	eventually(t, p.name+" tells "+what, func() bool {
		select {
		case <-p.done:
			t.Fatalf("%s ended: %v", p.name, p.err)
		default:
		}
		found = regexp.MustCompile(what).FindStringSubmatch(p.said(t))
		return found != nil
	})
	return found[1]
}

// end asks a program to end, as systems do, and waits until it has.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("end %s: %v", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s did not end within %v", p.name, patience)
	}
	if p.err != nil {
		t.Fatalf("%s ended: %v", p.name, p.err)
	}
}

// write puts a text into a new file and returns its name.
func write(t *testing.T, name string, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// built is a binary that the script has built.
func built(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("PODJOULE_RECEIVERS_BIN")
	if folder == "" {
		t.Fatal("PODJOULE_RECEIVERS_BIN is not set: run these tests with e2e/receivers/run")
	}
	return filepath.Join(folder, name)
}

// freeze stops a program while a function runs.
func (p *process) freeze(t *testing.T, meanwhile func()) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatalf("freeze %s: %v", p.name, err)
	}
	defer func() {
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatalf("wake %s: %v", p.name, err)
		}
	}()
	meanwhile()
}
