package docs_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/k8s"
	"github.com/podjoule/podjoule/simnode"
	"github.com/podjoule/podjoule/token"
)

const (
	interval   = 5 * time.Second // of the measurements, the default
	tokenBytes = 1000            // about what a service account's token has
	// watchTime is how long a watch lasts here: the mean of the 5 to 10 minutes of
	// which clients choose at random, so that the counts are the same each time.
	watchTime = 450 * time.Second

	apiPort, kubeletPort = "8080", "10250"
)

// machine is a full node with its servers, in simulated time.
type machine struct {
	t            *testing.T
	api          *simnode.API
	tree         *simnode.Tree // where an agent runs
	maker        *maker
	secret       string        // the token
	pods         []*corev1.Pod // oldest first
	server, host *wire         // before the API server, and before the node's kubelet
	net          network       // of both
	authority    *x509.Certificate

	source plugin.Source // nil where no agent runs
	every  time.Duration // its windows
	end    time.Time     // of the last one
	batch  measure.Batch
}

// newMachine starts the servers. Without streaming, the API server is one that does
// not know streamed lists yet.
func newMachine(t *testing.T, streaming bool) *machine {
	t.Helper()
	m := &machine{t: t, api: simnode.NewAPI(), maker: newMaker(t), server: newWire(), host: newWire(), every: interval, end: time.Now()}
	for range nodePods {
		p := m.maker.next()
		m.api.Put(p)
		m.pods = append(m.pods, p)
	}
	m.secret = base64.RawURLEncoding.EncodeToString([]byte(m.maker.random(tokenBytes)))[:tokenBytes]
	m.host.serve(t, http.HandlerFunc(m.kubelet))
	server := m.server.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.apiServer(w, r, streaming) }))
	m.authority = server.Certificate()
	m.net = network{apiPort: m.server, kubeletPort: m.host}
	return m
}

// apiServer answers as a real one does, with its headers.
func (m *machine) apiServer(w http.ResponseWriter, r *http.Request, streaming bool) {
	w.Header().Set("Audit-Id", "8d1c9f4e-63b0-4a57-9e2d-0f5b7a86c314")
	w.Header().Set("Cache-Control", "no-cache, private")
	w.Header().Set("X-Kubernetes-Pf-Flowschema-Uid", "4b7f2a19-c05e-4d83-b6f1-92e8d3a7501c")
	w.Header().Set("X-Kubernetes-Pf-Prioritylevel-Uid", "e96a30d5-718c-4f2b-a4d7-5c1b8e2f6093")
	query := r.URL.Query()
	if query.Has("sendInitialEvents") && !streaming {
		m.api.AnswerStatus(http.StatusUnprocessableEntity, 0)(w, r, nil)
		return
	}
	if query.Has("timeoutSeconds") {
		query.Set("timeoutSeconds", strconv.Itoa(int(watchTime/time.Second)))
		r.URL.RawQuery = query.Encode()
	}
	m.api.ServeHTTP(w, r)
}

// kubelet answers as the node's kubelet does.
func (m *machine) kubelet(w http.ResponseWriter, _ *http.Request) {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
	for _, p := range m.api.Pods() {
		list.Items = append(list.Items, *p)
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(&list); err != nil {
		m.t.Errorf("the kubelet's answer: %v", err)
	}
}

// start runs the agent's plugin in a mode of discovery until the test ends.
func (m *machine) start(mode string) {
	m.t.Helper()
	m.plant()
	file := filepath.Join(m.t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(m.secret), 0o600); err != nil {
		m.t.Fatal(err)
	}
	c := k8s.Plugin().Config().(*k8s.Config)
	c.Node, c.Discovery, c.CgroupRoot = nodeName, mode, m.tree.Root()
	c.APIURL, c.KubeletURL = "https://127.0.0.1:"+apiPort, "https://127.0.0.1:"+kubeletPort
	c.CAFile = filepath.Join(m.t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.authority.Raw})
	if err := os.WriteFile(c.CAFile, text, 0o600); err != nil {
		m.t.Fatal(err)
	}
	c.MetricGroups = []string{"cpu"} // what is read of a pod does not matter here
	c.Token = token.Config{Strategy: token.File, File: file}
	if err := c.Validate(); err != nil {
		m.t.Fatal(err)
	}
	host := plugintest.NewHost(m.t, c.Metrics()...)
	host.Dial = m.net.dial
	opened, err := c.Open(m.t.Context(), host.Host)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(m.t.Context()))
	done := make(chan error)
	go func() { done <- opened.(plugin.Runner).Run(ctx) }()
	m.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			m.t.Errorf("run the plugin: %v", err)
		}
		if err := opened.(io.Closer).Close(); err != nil {
			m.t.Errorf("close the plugin: %v", err)
		}
	})
	m.source = opened.(plugin.Source)
}

// during returns what the API server and the kubelet are asked while something
// happens. What starts it belongs to it: the answer may come at once.
func (m *machine) during(happens func()) (server, kubelet cost) {
	server, kubelet = m.server.cost(), m.host.cost()
	happens()
	return m.server.cost().less(server), m.host.cost().less(kubelet)
}

// pass lets time pass, in which the agent measures, until all is quiet.
func (m *machine) pass(length time.Duration) {
	m.t.Helper()
	for until := time.Now().Add(length); ; {
		tick := m.end.Add(m.every)
		if m.source == nil || tick.After(until) {
			time.Sleep(time.Until(until))
			break
		}
		time.Sleep(time.Until(tick))
		m.batch.Reset(m.every, m.end, tick)
		m.end = tick
		if err := m.source.Poll(m.t.Context(), &m.batch); err != nil {
			m.t.Errorf("measure: %v", err)
		}
	}
	synctest.Wait()
}

// replace replaces the oldest pod, as a Deployment does that is rolled out, in half a
// minute.
func (m *machine) replace() {
	m.t.Helper()
	old := m.pods[0]
	fresh := m.maker.next()
	birth, _ := m.maker.life(fresh)
	_, death := m.maker.life(old)
	for i, p := range birth {
		m.api.Put(p)
		m.pass(time.Second)
		if i == 0 {
			m.grow(fresh)
		}
		m.pass(time.Second)
	}
	for _, p := range death {
		m.api.Put(p)
		m.pass(10 * time.Second)
	}
	if err := m.tree.RemovePod(string(old.UID)); err != nil {
		m.t.Fatal(err)
	}
	if err := m.api.Delete(old.Namespace, old.Name); err != nil {
		m.t.Fatal(err)
	}
	m.pods = append(m.pods[1:], fresh)
}

// plant makes the tree of control groups.
func (m *machine) plant() {
	m.t.Helper()
	var err error
	if m.tree, err = simnode.NewTree(m.t.TempDir(), simnode.Layout{Version: simnode.V2}); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if err := m.tree.Close(); err != nil {
			m.t.Error(err)
		}
	})
	for _, p := range m.pods {
		m.grow(p)
	}
}

// grow makes the control group of a pod, and leaves out those of its containers, which
// nobody asks for.
func (m *machine) grow(p *corev1.Pod) {
	m.t.Helper()
	alone := p.DeepCopy()
	alone.Spec.InitContainers, alone.Spec.Containers = nil, nil
	alone.Status.InitContainerStatuses, alone.Status.ContainerStatuses = nil, nil
	if err := m.tree.AddPod(alone); err != nil {
		m.t.Fatal(err)
	}
}

// complete checks that the last tick has every pod under its name: what is cheap
// because it does not work is no figure.
func (m *machine) complete() {
	m.t.Helper()
	got := make(map[string]bool)
	for i := range m.batch.Samples {
		if name, ok := m.batch.Samples[i].Series.Attribute("name"); ok {
			got[name] = true
		}
	}
	for _, p := range m.pods {
		if !got[p.Name] {
			m.t.Errorf("pod %s has no sample under its name", p.Name)
		}
	}
	if len(got) != len(m.pods) {
		m.t.Errorf("%d names, want those of %d pods", len(got), len(m.pods))
	}
}
