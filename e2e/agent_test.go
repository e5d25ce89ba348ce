//go:build e2e

package e2e

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// sample is one line of the agent's CSV.
type sample struct {
	end    time.Time      // of the window
	came   time.Time      // when the test had it
	places map[string]int // of the columns
	fields []string
}

// column returns what stands in a column, or nothing where there is no such column.
func (s sample) column(name string) string {
	if at, found := s.places[name]; found {
		return s.fields[at]
	}
	return ""
}

// is tells whether a sample is one of a metric.
func (s sample) is(metric string) bool { return s.column("metric") == metric }

// number is a value in decimals.
func (s sample) number(t *testing.T) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s.column("value"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// agent is podjoule, running.
type agent struct {
	tick   time.Duration
	cmd    *exec.Cmd
	stderr string        // a file
	done   chan struct{} // closed when its standard output has ended

	// There are many samples, and the processors of a guest are slow.
	mu      sync.Mutex
	samples []sample
	byPod   map[string][]sample // by UID
	ends    []time.Time         // of the windows
	err     error               // of reading them
}

// asAgent is the configuration of the k8s plugin that has all rights it needs.
func asAgent(t *testing.T) string {
	t.Helper()
	return fileAccess(t, tokenFile(t, tokenOf(t, "agent")), stateFile(t, "pki", "ca.crt"))
}

// start runs podjoule with a configuration of the k8s plugin and the usual tick.
func start(t *testing.T, configuration string) *agent {
	t.Helper()
	return startTicking(t, usual(), configuration)
}

// usual is the tick of most tests' agents. Where the tests, too, are emulated, they could not
// read more rows of several agents.
func usual() time.Duration {
	if emulated() {
		return 2 * time.Second
	}
	return time.Second
}

// startTicking is start with another tick.
func startTicking(t *testing.T, tick time.Duration, configuration string) *agent {
	t.Helper()
	whole := fmt.Sprintf("[agent]\nlisten = \"\"\n[plugins.k8s]\nk8s_node = %q\npoll_interval = %q\npod_refresh_interval = \"1s\"\n%s", nodeName, tick, configuration)
	return launch(t, tick, whole)
}

// launch runs podjoule with a whole configuration, through a command if one is given.
func launch(t *testing.T, tick time.Duration, whole string, through ...string) *agent {
	t.Helper()
	folder := t.TempDir()
	config, stderr := filepath.Join(folder, "config.toml"), filepath.Join(folder, "stderr")
	if err := os.WriteFile(config, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := slices.Concat(through, []string{binary(t), "run", "--config", config})
	a := &agent{tick: tick, cmd: exec.Command(command[0], command[1:]...), stderr: stderr, done: make(chan struct{}), byPod: make(map[string][]sample)}
	a.cmd.Stderr = log
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatalf("start podjoule: %v", err)
	}
	go a.read(stdout)
	t.Cleanup(func() {
		if a.cmd.ProcessState == nil {
			_ = a.cmd.Process.Kill()
			<-a.done
			_ = a.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("podjoule said:\n%s", a.said(t))
		}
	})
	return a
}

// binary is the agent's.
func binary(t *testing.T) string {
	t.Helper()
	if file := os.Getenv("PODJOULE_E2E_AGENT"); file != "" { // another one, such as one that is broken on purpose
		return file
	}
	return stateFile(t, "podjoule")
}

// read keeps all samples until the output ends.
func (a *agent) read(stdout io.Reader) {
	defer close(a.done)
	lines := csv.NewReader(stdout)
	header, err := lines.Read()
	places := make(map[string]int)
	for at, name := range header {
		places[name] = at
	}
	var timestamp string
	var end time.Time
	for err == nil {
		s := sample{places: places}
		if s.fields, err = lines.Read(); err != nil {
			break
		}
		s.came = time.Now()
		if text := s.column("timestamp"); text != timestamp {
			timestamp = text
			end, err = time.Parse(time.RFC3339Nano, text)
		}
		s.end = end
		a.keep(s)
	}
	if !errors.Is(err, io.EOF) {
		a.mu.Lock()
		a.err = err
		a.mu.Unlock()
	}
}

func (a *agent) keep(s sample) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.samples = append(a.samples, s)
	uid := s.column("uid")
	a.byPod[uid] = append(a.byPod[uid], s)
	if len(a.ends) == 0 || !a.ends[len(a.ends)-1].Equal(s.end) {
		a.ends = append(a.ends, s.end)
	}
}

// said is what the agent wrote to its log.
func (a *agent) said(t *testing.T) string {
	t.Helper()
	return text(t, a.stderr)
}

// all returns the samples so far for which a condition holds.
func (a *agent) all(want func(sample) bool) []sample {
	a.mu.Lock()
	defer a.mu.Unlock()
	return choose(a.samples, want)
}

// ofPod returns those of a pod.
func (a *agent) ofPod(uid string, want func(sample) bool) []sample {
	a.mu.Lock()
	defer a.mu.Unlock()
	return choose(a.byPod[uid], want)
}

func choose(samples []sample, want func(sample) bool) (found []sample) {
	for _, s := range samples {
		if want(s) {
			found = append(found, s)
		}
	}
	return found
}

// deltas returns the CPU time of a pod, window by window.
func (a *agent) deltas(uid string) []sample {
	return a.ofPod(uid, func(s sample) bool { return s.is("cpu_time_delta") && s.column("kind") == "total" })
}

// finish ends the agent as the kubelet does and waits for its last line.
func (a *agent) finish(t *testing.T) {
	t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("end podjoule: %v", err)
	}
	<-a.done
	if err := a.cmd.Wait(); err != nil {
		t.Fatalf("podjoule ended: %v", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		t.Fatalf("read podjoule's samples: %v", a.err)
	}
}

// total adds the values of whole numbers.
func total(t *testing.T, samples []sample) uint64 {
	t.Helper()
	var sum uint64
	for _, s := range samples {
		sum += number(t, strings.TrimSpace(s.column("value")))
	}
	return sum
}
