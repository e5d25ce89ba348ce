package simnode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits within which a process has to start and to end.
const (
	startLimit = 10 * time.Second
	stopLimit  = 2 * time.Second
)

// process is a burner in its cgroups. Its CPU time is read from its CPU clock,
// and so is known without any cgroup.
type process struct {
	cmd    *exec.Cmd
	input  *os.File
	stderr bytes.Buffer
	done   chan struct{} // closed when the process has ended and was waited for

	mu    sync.Mutex
	base  time.Duration // the clock when the process came into its cgroups
	last  time.Duration // the latest reading, less base
	ended bool
	err   error // how it ended
}

// startProcess starts a burner, puts it into cgroups and gives it its load. In
// a v2 cgroup it is born; into v1 cgroups it is moved while it waits.
func startProcess(command []string, v2 bool, dirs []string, load Load) (p *process, err error) {
	script, err := json.Marshal(load)
	if err != nil {
		return nil, fmt.Errorf("write the load: %w", err)
	}
	childIn, input, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer childIn.Close()
	output, childOut, err := os.Pipe()
	if err != nil {
		input.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer output.Close()

	p = &process{input: input, done: make(chan struct{}), cmd: exec.Command(command[0], command[1:]...)}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = childIn, childOut, &p.stderr
	// In a group of its own, Ctrl-C on a terminal reaches the parent only, which
	// ends the pods in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if v2 {
		dir, err := os.Open(dirs[0])
		if err != nil {
			return nil, errors.Join(err, input.Close(), childOut.Close())
		}
		defer dir.Close()
		p.cmd.SysProcAttr.UseCgroupFD, p.cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	err = p.cmd.Start()
	childOut.Close()
	if err != nil {
		input.Close()
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	go p.wait()

	if err = p.awaitReady(output); err == nil && !v2 {
		err = p.move(dirs)
	}
	if err == nil {
		_, err = input.Write(append(script, '\n'))
	}
	if err != nil {
		stopped := p.stop()
		return nil, errors.Join(fmt.Errorf("start %s: %w%s", command[0], err, p.said()), stopped)
	}
	return p, nil
}

// awaitReady waits until the process has started and does nothing.
func (p *process) awaitReady(output *os.File) error {
	if err := output.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return err
	}
	got := make([]byte, len(ready))
	n := 0
	for n < len(got) {
		k, err := output.Read(got[n:])
		if err != nil {
			return fmt.Errorf("wait for it to be ready: %w", err)
		}
		n += k
	}
	if string(got) != ready {
		return fmt.Errorf("wait for it to be ready: it says %q instead", got)
	}
	return nil
}

// move puts the waiting process into cgroups. What it used before is not
// counted there, nor here.
func (p *process) move(dirs []string) error {
	for _, dir := range dirs {
		file := filepath.Join(dir, "cgroup.procs")
		if err := os.WriteFile(file, []byte(strconv.Itoa(p.cmd.Process.Pid)), 0); err != nil {
			return fmt.Errorf("move it into its cgroup: %w", err)
		}
	}
	base, err := processCPU(p.cmd.Process.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.base, p.last = base, 0
	return err
}

// wait reaps the process. It does so under the lock, since its ID may belong to
// another process as soon as it is reaped.
func (p *process) wait() {
	defer close(p.done)
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = p.cmd.Wait()
	p.ended = true
	state := p.cmd.ProcessState
	// The kernel rounds both parts down to microseconds: the clock may have
	// shown more already.
	p.last = max(p.last, state.UserTime()+state.SystemTime()-p.base)
}

// cpu returns the CPU time that the process has used in its cgroups.
func (p *process) cpu() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		// Without an answer the process is about to be reaped, and its last
		// reading stands until then.
		if now, err := processCPU(p.cmd.Process.Pid); err == nil {
			p.last = max(p.last, now-p.base)
		}
	}
	return p.last
}

// failure returns why the process has ended, although nobody stopped it; nil
// while it runs.
func (p *process) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		return nil
	}
	how := "it returned"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("process %d ended by itself: %s%s", p.cmd.Process.Pid, how, p.said())
}

// said is what the process wrote to its standard error, for the end of a
// message. It is for when the process has ended.
func (p *process) said() string {
	text := strings.TrimSpace(p.stderr.String())
	if text == "" {
		return ""
	}
	return ": " + text
}

// stop ends the process and waits until it is gone.
func (p *process) stop() error {
	err := p.input.Close()
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-p.done:
		return err
	case <-timer.C:
	}
	if kill := p.cmd.Process.Kill(); !errors.Is(kill, os.ErrProcessDone) {
		err = errors.Join(err, kill)
	}
	<-p.done
	return err
}

// processCPU reads the CPU clock of another process: see clock_getcpuclockid(3).
func processCPU(pid int) (time.Duration, error) {
	const wholeProcess = 2 // CPUCLOCK_SCHED, not per thread
	return cpuClock(^int32(pid)<<3 | wholeProcess)
}
