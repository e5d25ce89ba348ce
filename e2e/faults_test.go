//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// The kubelet and containerd are killed and started again, and etcd hangs for 10 s.
// Nothing is lost, nothing counts twice, and what comes afterwards is found. None
// of it is the agent's trouble, so that its log has nothing to say.
func TestFaultsOfTheNode(t *testing.T) {
	long(t)
	b := watched(t)
	for _, component := range []string{"kubelet", "containerd"} {
		t.Run(component+" restarts", func(t *testing.T) {
			over := fault(t, "kill", "start", component)
			b.more(t, 2)
			over()
			b.meet(t, false)
		})
	}
	t.Run("etcd hangs", func(t *testing.T) {
		onThisMachine(t, "etcd")
		over := fault(t, "freeze", "thaw", "etcd")
		thaw := time.Now().Add(10 * time.Second)
		id := b.stranger(t)
		time.Sleep(time.Until(thaw)) // that long is the fault
		over()
		stranger := introduced(t, id)
		b.meet(t, false) // whose name the agent asks for at once
		b.join(t, stranger, true)
	})
	b.end(t)
	if got := b.troubles(t); len(got) > 0 {
		t.Errorf("the log has %d troubles, want none:\n%s", len(got), strings.Join(got, ""))
	}
}

// The API server is killed and away for a minute. What is known keeps its name, and
// what is new is measured under its UID until the server is back. The log says it
// when it is noticed and when it is over, and not each time in between.
func TestAPIServerIsAway(t *testing.T) {
	onThisMachine(t, "kube-apiserver")
	b := watched(t)
	over := fault(t, "kill", "start", "kube-apiserver")
	back := time.Now().Add(time.Minute)
	id := b.stranger(t)
	time.Sleep(time.Until(back)) // that long is the fault
	if used := total(t, b.of(findGroup(t, id), "cpu_time_delta")); used < 1e9 {
		t.Errorf("a pod that burns 100 millicores used %d ns while the server was away, want more than a second", used)
	}
	over()
	// Their watches would not be back for half a minute. By then the scheduler would
	// take a pod for the one that had its name before, and end itself.
	for _, client := range []string{"kubelet", "kube-controller-manager", "kube-scheduler"} {
		fault(t, "kill", "start", client)()
	}
	stranger := introduced(t, id)
	b.meet(t, true) // the agent may not have noticed yet that the server is back
	b.join(t, stranger, true)
	b.end(t)
	checkTroubles(t, b.troubles(t))
}

// checkTroubles wants one warning when the server was found away, and a line when
// it was over. On its way up the server may have refused with words of its own,
// which the agent then passes on once.
func checkTroubles(t *testing.T, lines []string) {
	t.Helper()
	refused, all := 0, strings.Join(lines, "")
	for _, line := range lines {
		if strings.Contains(line, "connection refused") {
			refused++
		}
	}
	if n := len(lines); refused != 1 || n > 3 || strings.Count(all, "plugin works again") != 1 || !strings.Contains(lines[n-1], "plugin works again") {
		t.Fatalf("the log has %d warnings that the connection was refused among %d lines, want one, and one line when it was over", refused, n)
	}
	for _, word := range []string{"level=WARN", "the pods of node", nodeName, apiServer, "is it running there?"} {
		if !strings.Contains(lines[0], word) {
			t.Errorf("the warning does not say %q: %s", word, lines[0])
		}
	}
}

// troubles are the lines of the log that are no plain information, and those that
// say that a trouble is over.
func (b *bystanders) troubles(t *testing.T) []string {
	t.Helper()
	var found []string
	for line := range strings.Lines(b.said(t)) {
		if !strings.Contains(line, "level=INFO") || strings.Contains(line, "plugin works again") {
			found = append(found, line)
		}
	}
	return found
}

// fault does something to a component of the node, which is undone by the function
// that it returns, or at the latest when the test ends.
func fault(t *testing.T, action, undo, component string) (over func()) {
	t.Helper()
	daemon := func(action string) {
		if out, err := exec.Command("node/daemon", action, component).CombinedOutput(); err != nil {
			t.Fatalf("node/daemon %s %s: %v: %s", action, component, err, out)
		}
	}
	var once sync.Once
	over = func() { once.Do(func() { daemon(undo) }) }
	t.Cleanup(over)
	daemon(action)
	return over
}

// onThisMachine skips the test where a component runs on another machine.
func onThisMachine(t *testing.T, component string) {
	t.Helper()
	if _, err := os.Stat(stateFile(t, "pids", component)); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s does not run here but on the machine that this guest is on", component)
	}
}

// meet makes a pod that joins the bystanders.
func (b *bystanders) meet(t *testing.T, unnamed bool) {
	t.Helper()
	b.join(t, onePod(t, "create", "-f", "testdata/newcomer.yaml"), unnamed)
}

// strangersFile is where the kubelet looks for static pods.
func strangersFile(t *testing.T) string { return stateFile(t, "static-pods", "stranger.yaml") }

// stranger gives the kubelet a static pod, of which the API server cannot hear now,
// and returns the UID that the agent measures it under, without a name.
func (b *bystanders) stranger(t *testing.T) (uid string) {
	t.Helper()
	begin := time.Now()
	if err := os.WriteFile(strangersFile(t), []byte(text(t, "testdata/stranger.yaml")), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent measures a pod without a name", func() bool {
		seen := b.all(func(s sample) bool { return s.end.After(begin) && s.column("name") == "" })
		if len(seen) > 0 {
			uid = seen[0].column("uid")
		}
		return len(seen) > 0
	})
	return uid
}

// introduced waits until the server has the stranger, and returns it as it is there:
// under a UID of its own, beside the one in its cgroup's name.
func introduced(t *testing.T, uid string) pod {
	t.Helper()
	p := onePod(t, "wait", "-n", namespace, "--for=create", "--timeout=120s", "pod/stranger-"+nodeName)
	if p.cgroup() != uid || p.Metadata.UID == uid {
		t.Fatalf("a pod without a name was measured under UID %q, want the stranger's %q and not its mirror's %q", uid, p.cgroup(), p.Metadata.UID)
	}
	return p
}

// onePod is the pod that a command of kubectl is about.
func onePod(t *testing.T, args ...string) pod {
	t.Helper()
	var p pod
	if err := json.Unmarshal([]byte(kubectl(t, append(args, "-o", "json")...)), &p); err != nil {
		t.Fatalf("read kubectl's pod: %v", err)
	}
	return p
}
