package main

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podjoule/podjoule/simnode"
)

// reloadable is a real program whose file is changed.
type reloadable struct {
	*running
	n       *simulatedNode
	address string
	config  string // the file's path
	csv     string
	keep    string // a line for the table of prometheus
}

func startReloadable(t *testing.T) *reloadable {
	t.Helper()
	n := newNode(t, "node-1", simnode.V1)
	p := &reloadable{n: n, csv: filepath.Join(t.TempDir(), "out.csv")}
	p.config = n.config("")
	p.write("1s", "")
	p.running = startProgram(t, "run", "--config", p.config)
	p.address = "http://" + p.listening()
	eventually(t, "a tick that knows all names", func() bool { return strings.Contains(p.page(), `name="etcd-node-1"`) })
	return p
}

// write writes the file with an interval of polls, and more tables.
func (p *reloadable) write(interval, more string) {
	p.n.t.Helper()
	text := fmt.Sprintf(`[agent]
listen = "127.0.0.1:0"
[plugins.k8s]
k8s_node = "node-1"
k8s_api_url = %q
cgroup_root = %q
pod_refresh_interval = "50ms"
poll_interval = %q
%s
[plugins.prometheus]
%s
[plugins.csv]
path = %q
`, p.n.url, p.n.tree.Root(), interval, more, p.keep, p.csv)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		p.n.t.Fatal(err)
	}
}

func (p *reloadable) page() string {
	p.n.t.Helper()
	_, body := get(p.n.t, p.address+"/metrics")
	return body
}

// hangUp sends SIGHUP and waits for what the log says of it.
func (p *reloadable) hangUp(want string) string {
	p.n.t.Helper()
	p.signal(syscall.SIGHUP)
	for line := range p.lines {
		if strings.Contains(line, "configuration is ") {
			if !strings.Contains(line, want) {
				p.n.t.Errorf("log: %s, want %q in it", line, want)
			}
			return line
		}
	}
	p.n.t.Fatal("the program ended")
	return ""
}

// sums returns what the file has of each pod's CPU time, by its cgroup: a source that is
// closed again before it knows a pod's name tells of it without.
func (p *reloadable) sums() map[string]int {
	p.n.t.Helper()
	text, err := os.ReadFile(p.csv)
	if err != nil {
		p.n.t.Fatal(err)
	}
	got := make(map[string]int)
	for _, x := range parseRows(p.n.t, string(text)) {
		if x["metric"] == "cpu_time_delta" && x["kind"] == "total" && x["consumer_kind"] == "cgroup" {
			value, err := strconv.Atoi(x["value"])
			if err != nil {
				p.n.t.Fatal(err)
			}
			got[x["consumer_id"]] += value
		}
	}
	return got
}

// SIGHUP changes how often pods are measured and how long ended ones stay on the page, ten
// times over, while they work: the file has all that they used, nothing twice, and the
// page's counters go on.
func TestSIGHUPLosesNothing(t *testing.T) {
	t.Parallel()
	p := startReloadable(t)
	counter := regexp.MustCompile(`podjoule_cpu_time_seconds_total\{kind="total",name="web",[^}]*\} (\S+)`)
	spent, before := time.Duration(0), 0.0
	for i := range 10 {
		p.n.spend(1234567 * time.Nanosecond)
		spent += 1234567 * time.Nanosecond
		p.keep = fmt.Sprintf(`keep_ended = "%dm"`, 5+i)
		p.write(fmt.Sprintf("%dms", 300+100*i), "")
		p.hangUp(`opened=[] closed=[]`)
		p.n.spend(time.Millisecond)
		spent += time.Millisecond
		m := counter.FindStringSubmatch(p.page())
		if m == nil {
			continue // after a reload, before the next tick
		}
		now, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		if now < before || now > spent.Seconds() {
			t.Errorf("reload %d: the counter is %v after %v, and %v was spent", i, now, before, spent)
		}
		before = now
	}
	if before == 0 {
		t.Error("the page never had a counter")
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for name, got := range p.sums() {
		if got != int(spent) {
			t.Errorf("%s: %d ns in the file, %d spent", name, got, int(spent))
		}
	}
	if got := len(p.sums()); got != 3 {
		t.Errorf("%d pods in the file, want 3", got)
	}
}

// Another table of k8s has it closed and opened anew. While nothing is used in the moment
// between, nothing is lost, and in no case is anything counted twice.
func TestSIGHUPReplacesASource(t *testing.T) {
	t.Parallel()
	p := startReloadable(t)
	spent := time.Duration(0)
	for i := range 5 {
		p.n.spend(1234567 * time.Nanosecond)
		spent += 1234567 * time.Nanosecond
		p.write("500ms", fmt.Sprintf("max_series = %d", 1000+i))
		line := p.hangUp("closed=[k8s]")
		if !regexp.MustCompile(`gap=\d`).MatchString(line) {
			t.Errorf("the log does not tell the gap: %s", line)
		}
	}
	eventually(t, "names after the last reload", func() bool { return strings.Contains(p.page(), `name="etcd-node-1"`) })
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for name, got := range p.sums() {
		if got != int(spent) {
			t.Errorf("%s: %d ns in the file, %d spent", name, got, int(spent))
		}
	}
}

// A wrong file leaves everything as it is, is told in the log with its line, and by a
// metric until a right one comes. config check says the same.
func TestSIGHUPWithAWrongFile(t *testing.T) {
	t.Parallel()
	p := startReloadable(t)
	check := func(want string) {
		t.Helper()
		if page := p.page(); !strings.Contains(page, "podjoule_agent_config_last_reload_successful "+want+"\n") {
			t.Errorf("the page does not have podjoule_agent_config_last_reload_successful %s", want)
		}
	}
	check("1")
	p.write("1s", "max_serie = 5")
	const wrong = `plugins.k8s.max_serie: unknown key`
	p.hangUp(wrong)
	check("0")
	if status, _, stderr := finish(t, program(t, "config", "check", "--config", p.config)); status != 2 || !strings.Contains(stderr, ":9: "+wrong) {
		t.Errorf("config check: status %d, %q", status, stderr)
	}
	if status, _ := get(t, p.address+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
	p.write("1s", "[plugins.rapl]")
	p.hangUp("has other columns than these") // a file has the columns that it began with
	check("0")
	if err := os.Remove(p.csv); err != nil {
		t.Fatal(err)
	}
	p.hangUp(`opened="[rapl csv]"`)
	check("1")
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	text, err := os.ReadFile(p.csv)
	if header := "timestamp,"; err != nil || !strings.HasPrefix(string(text), header) || strings.Count(string(text), header) != 1 {
		t.Errorf("the new file has not one header: %v:\n%s", err, text)
	}
}

// A hundred reloads that open every plugin anew leave no file open.
func TestReloadsLeaveNoFileOpen(t *testing.T) {
	t.Parallel()
	p := startReloadable(t)
	files := func() int {
		all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	once := func(i int) {
		p.write("100ms", fmt.Sprintf("max_series = %d\n[plugins.estimate]\nidle_watts_per_thread = 1\nfull_watts_per_thread = %d", 1000+i, 2+i%90))
		p.hangUp("configuration is taken")
	}
	if err := os.Remove(p.csv); err != nil { // its columns will be others
		t.Fatal(err)
	}
	once(0)
	most := 0
	for i := range 10 {
		once(1 + i)
		most = max(most, files())
	}
	for i := range 90 {
		once(11 + i)
	}
	http.DefaultClient.CloseIdleConnections()
	least := math.MaxInt
	eventually(t, fmt.Sprintf("no more than %d open files", most), func() bool { least = min(least, files()); return least <= most })
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
