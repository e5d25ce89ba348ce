//go:build e2e

package e2e

import (
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// everyOverlay installs each overlay in a namespace of its own, beside the others. Each has
// to be taken by the API server, to become ready and to measure every pod of the node.
func everyOverlay(t *testing.T) {
	operatorKinds(t)
	entries, err := os.ReadDir("../deploy/kubernetes/overlays")
	if err != nil || len(entries) < 5 {
		t.Fatalf("there are only the overlays %v: %v", entries, err)
	}
	received := receiver(t)
	for _, entry := range entries {
		t.Run(entry.Name(), func(t *testing.T) {
			t.Parallel()
			checkOverlay(t, entry.Name(), received)
		})
	}
}

func checkOverlay(t *testing.T, name string, received *inbox) {
	i := installation{base.namespace + "-" + name, base.name + "-" + name}
	self := i.deploy(t, filepath.Join("overlays", name))
	checkConfined(t, self, name)
	address := "http://" + self.Status.PodIP + ":9464"
	if name == "otlp" {
		received.awaitPods(t)
		i.checkQueue(t)
	} else {
		checkNames(t, address, self)
	}
	checkReadyz(t, address, name)
	if name == "kubelet" {
		i.lone(t, "without-nodes-pods", func(spec, _ tree) { spec["serviceAccountName"] = "default" })
		i.lone(t, "without-node-ip", func(_, container tree) {
			container["env"] = container["env"].([]any)[:0]
		})
		i.awaitReadyz(t, "without-nodes-pods", []string{"403", "the verb get on the resource nodes/pods"})
		i.awaitEnded(t, "without-node-ip", 2, []string{"not set"})
	}
}

// checkReadyz sees that nothing is wrong, but that the machine has no meter that could be
// read, if it has none.
func checkReadyz(t *testing.T, address, name string) {
	t.Helper()
	var said string
	seldom(t, "all is well", func() bool {
		said = get(t, address+"/readyz")
		return strings.Contains(said, `"status": "ok"`) || strings.HasPrefix(name, "energy-") && strings.Contains(said, "no energy counters")
	})
	t.Logf("%s: %s", name, said)
}

// checkQueue has an agent whose queue has no folder say so.
func (i installation) checkQueue(t *testing.T) {
	t.Helper()
	i.lone(t, "without-queue", func(spec, container tree) { unmount(spec, container, "queue") })
	i.awaitEnded(t, "without-queue", 1, []string{"queue_dir"})
}

// inbox is what a receiver of OTLP was sent.
type inbox struct {
	mu   sync.Mutex
	sent strings.Builder
}

// receiver takes OTLP over HTTP, at the address that the overlay's Collector has here.
func receiver(t *testing.T) *inbox {
	t.Helper()
	var in inbox
	listener, err := net.Listen("tcp", serverIP+":4318")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		text, err := io.ReadAll(body)
		if err != nil || r.URL.Path != "/v1/metrics" {
			http.Error(w, "want whole requests at /v1/metrics", http.StatusBadRequest)
			return
		}
		in.mu.Lock()
		in.sent.Write(text)
		in.mu.Unlock()
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return &in
}

// awaitPods waits until every pod of the node is in some request, by its UID and its name.
func (in *inbox) awaitPods(t *testing.T) {
	t.Helper()
	var all []string
	seldom(t, "the receiver has every pod", func() bool {
		in.mu.Lock()
		sent := in.sent.String()
		in.mu.Unlock()
		all = nil
		for _, p := range pods(t) {
			if p.ready() && hasGroup(p.cgroup()) {
				all = append(all, p.Metadata.UID, p.Metadata.Name)
			}
		}
		return len(all) > 0 && hasAll(sent, all)
	})
	t.Logf("%d pods were sent", len(all)/2)
}
