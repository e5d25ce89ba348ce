package docs_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // what the agent sends is compressed

	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/cgroup/cgrouptest"
	"github.com/podjoule/podjoule/simnode"
)

const (
	// warmUp is how long the agents run before they are measured, and span for how
	// long.
	warmUp = 15 * time.Second
	span   = time.Minute
)

// TestAgentCosts measures what the whole agent costs with each output, on a full node
// of real cgroups of this machine, beside a program that does nothing but read the same
// files as often.
func TestAgentCosts(t *testing.T) {
	if !*measured {
		t.Skip("measures this machine: -measure has it done")
	}
	n := newFullNode(t)
	var rows []*load
	for _, every := range []time.Duration{time.Second, 5 * time.Second} {
		rows = append(rows, n.floor(every), n.agent("csv", every), n.agent("prometheus", every), n.agent("otlp", every))
	}
	time.Sleep(warmUp)
	for _, l := range rows {
		l.begin()
	}
	time.Sleep(span)
	for _, l := range rows {
		l.end()
	}
	checkSection(t, "agent", "make bench", agentSection(rows))
	checkLimits(t, rows)
}

// checkLimits holds what each output costs by the second against its limit: so many times
// the bare reading, and so many bytes resident.
func checkLimits(t *testing.T, rows []*load) {
	const resident = 30 << 20
	floor := rows[0].share()
	for _, l := range rows {
		times, limited := map[string]float64{"prometheus": 2, "otlp": 2.5}[l.name]
		if !limited || l.every != time.Second {
			continue
		}
		if got := l.share() / floor; got > times || l.resident >= resident {
			t.Errorf("%s: %.2f times the bare reading and %.1f MiB, want %.1f at most, and less than %d MiB",
				l.name, got, float64(l.resident)/(1<<20), times, resident>>20)
		}
	}
}

// fullNodeOfCgroups is a node of real cgroups, of which an API server knows the pods.
type fullNodeOfCgroups struct {
	t       *testing.T
	machine *cgrouptest.Machine
	root    string
	url     string
	program string
	pods    []string // the paths of their cgroups
}

func newFullNode(t *testing.T) *fullNodeOfCgroups {
	t.Helper()
	m := cgrouptest.New(t)
	n := &fullNodeOfCgroups{t: t, machine: m, root: m.Own(), program: filepath.Join(t.TempDir(), "podjoule")}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", n.program, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v: %s", err, out)
	}
	api := simnode.NewAPI()
	url, err := api.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	n.url = url
	m.Make(m.Top + "/kubepods")
	m.Make(m.Top + "/kubepods/burstable")
	for i := range nodePods {
		p := simnode.NewPod(simnode.PodTemplate{
			Namespace: "shop", Name: fmt.Sprint("web-", i), Node: "node-1", Containers: []string{"web", "proxy"},
		})
		api.Put(p)
		pod := "/kubepods/burstable/pod" + string(p.UID)
		n.pods = append(n.pods, pod)
		m.Make(m.Top + pod)
		for _, c := range p.Status.ContainerStatuses {
			_, id, _ := strings.Cut(c.ContainerID, "://")
			m.Make(m.Top + pod + "/" + id)
		}
		m.Make(m.Top + pod + "/" + strings.Repeat("f", 64)) // its sandbox
	}
	return n
}

// load is a program that runs, and what it costs.
type load struct {
	t        *testing.T
	name     string
	every    time.Duration
	process  *os.Process
	cgroup   *cgroup.Reader
	from     time.Time
	spent    uint64        // until it is measured, then while it was
	passed   time.Duration // while it was measured
	resident uint64
}

// start runs a program in a cgroup of its own until the test ends.
func (n *fullNodeOfCgroups) start(name string, every time.Duration, command ...string) *load {
	n.t.Helper()
	l := &load{t: n.t, name: name, every: every}
	path := fmt.Sprintf("/agent-%s-%v", name, every)
	n.machine.Make(n.machine.Top + path)
	tree, err := cgroup.Open(n.root)
	if err != nil {
		n.t.Fatal(err)
	}
	l.cgroup = tree.Reader(path)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), floorEnvironment+"="+strings.Join(n.files(), "\n"), floorInterval+"="+every.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	l.process = cmd.Process
	for _, dir := range n.machine.Dirs {
		if err := os.WriteFile(filepath.Join(dir, n.machine.Top, path, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
			n.t.Fatal(err)
		}
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // one that has ended tells why below
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() > 0 {
			n.t.Errorf("%s: %v: %s", name, err, stderr.String())
		}
		l.cgroup.Close()
	})
	return l
}

func (l *load) counted() uint64 {
	var total cgroup.Value
	if err := l.cgroup.CPUTotal(new(cgroup.Buffer), &total); err != nil {
		l.t.Fatalf("%s: %v", l.name, err)
	}
	return total.N
}

func (l *load) begin() { l.from, l.spent = time.Now(), l.counted() }

func (l *load) end() {
	l.spent, l.passed = l.counted()-l.spent, time.Since(l.from)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.process.Pid))
	if err != nil {
		l.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if kB, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(kB), " kB"), 10, 64)
			if err != nil {
				l.t.Fatal(err)
			}
			l.resident = n << 10
		}
	}
}

// share is the part of a core that it used.
func (l *load) share() float64 { return float64(l.spent) / float64(l.passed) }

// agent runs the whole agent with one output, which is used as it would be.
func (n *fullNodeOfCgroups) agent(output string, every time.Duration) *load {
	n.t.Helper()
	text := fmt.Sprintf("[plugins.k8s]\nk8s_node = \"node-1\"\nk8s_api_url = %q\ncgroup_root = %q\npoll_interval = %q\n", n.url, n.root, every)
	listen := "\"\""
	switch output {
	case "csv":
		text += "[plugins.csv]\npath = \"/dev/null\"\n"
	case "prometheus":
		address := freeAddress(n.t)
		listen = strconv.Quote(address)
		text += "[plugins.prometheus]\n"
		scrape(n.t, "http://"+address+"/metrics", every)
	case "otlp":
		text += fmt.Sprintf("[plugins.otlp]\nendpoint = \"http://%s\"\n", collect(n.t))
	}
	config := filepath.Join(n.t.TempDir(), "config.toml")
	if err := os.WriteFile(config, []byte("[agent]\nlisten = "+listen+"\n"+text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return n.start(output, every, n.program, "run", "--config", config)
}

// freeAddress is an address at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// scrape reads a page as Prometheus does, until the test ends.
func scrape(t *testing.T, url string, every time.Duration) {
	t.Helper()
	var pages atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pace := time.NewTicker(every); ; {
			select {
			case <-t.Context().Done():
				pace.Stop()
				return
			case <-pace.C:
			}
			request, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1")
			request.Header.Set("Accept-Encoding", "gzip")
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				continue // it is about to begin, or to end
			}
			if n, _ := io.Copy(io.Discard, answer.Body); answer.StatusCode == http.StatusOK && n > 0 {
				pages.Add(1)
			}
			_ = answer.Body.Close()
		}
	}()
	t.Cleanup(func() {
		<-done
		if want := int64(span / every); pages.Load() < want {
			t.Errorf("%d pages were read, want %d at least", pages.Load(), want)
		}
	})
}

// collector takes all points.
type collector struct {
	pmetricotlp.UnimplementedGRPCServer
	points atomic.Int64
}

func (c *collector) Export(_ context.Context, r pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	c.points.Add(int64(r.Metrics().DataPointCount()))
	return pmetricotlp.NewExportResponse(), nil
}

// collect serves OTLP over gRPC, and returns its address.
func collect(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, server := new(collector), grpc.NewServer()
	pmetricotlp.RegisterGRPCServer(server, c)
	go func() { _ = server.Serve(l) }() // ends with Stop
	t.Cleanup(func() {
		server.Stop()
		if c.points.Load() < nodePods {
			t.Errorf("%d points have come", c.points.Load())
		}
	})
	return l.Addr().String()
}

const (
	floorEnvironment = "PODJOULE_FLOOR_FILES"
	floorInterval    = "PODJOULE_FLOOR_INTERVAL"
)

// files are those that a tick has to read.
func (n *fullNodeOfCgroups) files() (all []string) {
	names := []string{"cpu.stat", "memory.current", "memory.stat"}
	if len(n.machine.Dirs) > 1 {
		names = []string{"cpuacct/cpuacct.usage", "cpuacct/cpuacct.usage_user", "cpuacct/cpuacct.usage_sys", "memory/memory.usage_in_bytes", "memory/memory.stat"}
	}
	for _, pod := range n.pods {
		for _, name := range names {
			controller, file := filepath.Split(name)
			all = append(all, filepath.Join(n.root, controller, pod, file))
		}
	}
	return all
}

// floor runs this program once more, as one that reads those files and does nothing else.
func (n *fullNodeOfCgroups) floor(every time.Duration) *load {
	n.t.Helper()
	return n.start("bare", every, os.Args[0], "-test.run", "^$")
}

// readForEver is what the floor does.
func readForEver(files []string, every time.Duration) error {
	var fds []int
	for _, file := range files {
		fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", file, err)
		}
		fds = append(fds, fd)
	}
	buf := make([]byte, 16<<10)
	pace := time.NewTicker(every)
	defer pace.Stop()
	for range pace.C {
		for _, fd := range fds {
			if _, err := unix.Pread(fd, buf, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestMain(m *testing.M) {
	if files := os.Getenv(floorEnvironment); files != "" && slices.Contains(os.Args, "^$") {
		every, err := time.ParseDuration(os.Getenv(floorInterval))
		if err == nil {
			err = readForEver(strings.Split(files, "\n"), every)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// agentSection renders what was measured.
func agentSection(rows []*load) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d pods of two containers and their sandbox, real cgroups, for %v:\n\n", nodePods, span)
	b.WriteString("| | every | CPU of one core | times the bare reading | resident |\n| --- | --- | --- | --- | --- |\n")
	names := map[string]string{
		"bare": "a program that reads the same files and does nothing else", "csv": "`csv`",
		"prometheus": "`prometheus`, scraped as often", "otlp": "`otlp` over gRPC",
	}
	floors := make(map[time.Duration]float64)
	for _, l := range rows {
		if l.name == "bare" {
			floors[l.every] = l.share()
		}
	}
	for _, l := range rows {
		fmt.Fprintf(&b, "| %s | %v | %.2f %% | %.2f | %.1f MiB |\n", names[l.name], l.every, 100*l.share(), l.share()/floors[l.every], float64(l.resident)/(1<<20))
	}
	b.WriteString("\n")
	return b.String()
}
