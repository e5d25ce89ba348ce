package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/prometheus"
	"github.com/podjoule/podjoule/simnode"
)

// The full node of which benchmarks write batches is as the agent measures one: its page has
// the same lines but for numbers. The agent's whole page has no more than 300 kB.
func TestFullNodeOfBenchmarks(t *testing.T) {
	made := plugintest.NewNode()
	api := simnode.NewAPI()
	url, err := api.Listen()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := simnode.NewTree(t.TempDir(), simnode.Layout{Version: simnode.V2, Driver: simnode.Cgroupfs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = api.Close(), tree.Close() }) // nothing is held open by the test
	for _, p := range made.Pods {
		pod := simnode.NewPod(simnode.PodTemplate{Namespace: p.Namespace, Name: p.Name, UID: p.UID, Node: plugintest.NodeName, QoS: corev1.PodQOSBurstable})
		api.Put(pod)
		if err := tree.AddPod(pod); err != nil {
			t.Fatal(err)
		}
	}
	program := startProgram(t, "run", "--config", configFile(t, fmt.Sprintf(
		"[agent]\nlisten = \"127.0.0.1:0\"\n[plugins.k8s]\nk8s_node = %q\nk8s_api_url = %q\ncgroup_root = %q\npoll_interval = \"100ms\"\n[plugins.prometheus]\n",
		plugintest.NodeName, url, tree.Root())))
	address := "http://" + program.listening()
	want := slices.Sorted(slices.Values(withoutNumbers(pageOf(t, made))))
	diff := ""
	eventually(t, "the page of all pods", func() bool {
		_, page := get(t, address+"/metrics")
		var have []string
		for _, line := range withoutNumbers(page) {
			if strings.Contains(line, "uid=") || slices.Contains(want, line) {
				have = append(have, line)
			}
		}
		slices.Sort(have)
		diff = cmp.Diff(want, have)
		return diff == "" || strings.Count(page, "uid=") >= plugintest.NodePoints
	})
	if diff != "" {
		t.Errorf("the page of the agent is another one (-benchmarks +agent):\n%s", diff)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if size := len(page); size > 300_000 || size < 200_000 {
		t.Errorf("a page of OpenMetrics has %d bytes, want 300,000 at most, and no fewer than 200,000", size)
	}
	program.interrupt()
}

// pageOf is the page of a full node alone.
func pageOf(t *testing.T, n *plugintest.Node) string {
	t.Helper()
	host := plugintest.NewHost(t, n.Metrics...)
	host.SelfReader = nil
	opened, err := prometheus.Plugin().Config().Open(t.Context(), host.Host)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.(plugin.Output).Write(t.Context(), n.Tick()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	host.Mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return w.Body.String()
}
