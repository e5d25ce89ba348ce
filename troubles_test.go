package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/simnode"
)

// provocations are, by the headings of docs/troubleshooting.md, how the agent is brought to
// say what stands there, in the same order.
func provocations() map[string][]provocation {
	return map[string][]provocation{
		"The agent does not start": {
			refused("[plugins.k8s]\nk8s_nod = \"node-1\"\n"),
			refused("[plugins.k8s]\nk8s_node = \"${NODE_NAME}\"\n"),
			refused("[plugins.k8s]\nk8s_api_url = \"http://10.96.0.1:8080\"\n"),
			func(t *testing.T, heard hears) { _, _, stderr := finish(t, program(t, "run")); heard(stderr) },
			refused("[agent]\n"),
			portIsTaken,
			refused("[agent]\nlisten = \"\"\n[plugins.rapl]\n[plugins.prometheus]\n"),
			refused("[agent]\nlisten = \"\"\n[plugins.k8s]\ncgroup_root = \"/usr\"\n"),
		},
		"A new configuration is not taken": {badReload},
		"Pods have a UID and no name": {
			onANode(func(_ *testing.T, n *simulatedNode) string { n.url = "http://127.0.0.1:1"; return "" }),
			onANode(func(t *testing.T, n *simulatedNode) string {
				n.url = "https://no-such-server..invalid:443" // two dots: no name server has to be asked
				return tokenIn(t, "a-secret")
			}),
			onANode(func(t *testing.T, n *simulatedNode) string { overTLS(t, n); return tokenIn(t, "a-secret") }),
			onANode(func(t *testing.T, n *simulatedNode) string {
				return overTLS(t, n) + fmt.Sprintf("token_retrieval.file = %q\n", filepath.Join(t.TempDir(), "absent"))
			}),
			onANode(func(t *testing.T, n *simulatedNode) string { return overTLS(t, n) + tokenIn(t, "another") }),
			onANode(func(t *testing.T, n *simulatedNode) string {
				n.api.AddToken("a-stranger", simnode.ServiceAccountUser("podjoule", "stranger"))
				return overTLS(t, n) + tokenIn(t, "a-stranger")
			}),
			onANode(func(t *testing.T, n *simulatedNode) string {
				user := simnode.ServiceAccountUser("podjoule", "lists-only")
				n.api.AddToken("a-lister", user)
				n.api.Allow(user, simnode.ListPods)
				return overTLS(t, n) + tokenIn(t, "a-lister")
			}),
			func(t *testing.T, heard hears) {
				n := newNode(t, "node-1", simnode.V2)
				listens(t, configOf(n, "node-2", ""), heard)
			},
		},
		"There are no pods at all": {func(t *testing.T, heard hears) {
			n := newNode(t, "node-1", simnode.V2)
			empty := t.TempDir()
			writeFile(t, filepath.Join(empty, "cgroup.controllers"), "cpu memory\n")
			listens(t, strings.ReplaceAll(configOf(n, "node-1", ""), n.tree.Root(), empty), heard)
		}},
		"Some pods are missing":       {onANode(func(*testing.T, *simulatedNode) string { return "max_series = 12\n" })},
		"New pods come a second late": {noMoreWatches},
		"There is no energy": {
			metered(nil, nil, ""),
			withoutPermission,
			metered(simnode.TwoSocketServer(), func(t *testing.T, sysfs string) {
				if err := os.RemoveAll(filepath.Join(sysfs, "devices")); err != nil {
					t.Fatal(err)
				}
			}, ""),
			metered(counted(simnode.TwoSocketServer()), nil, "[plugins.estimate]\nmodel = \"unknown\"\n"),
		},
		"A file of rows cannot go on": {func(t *testing.T, heard hears) {
			file := filepath.Join(t.TempDir(), "rows.csv")
			writeFile(t, file, "timestamp,metric,value\n")
			refused(fmt.Sprintf("[agent]\nlisten = \"\"\n[plugins.rapl]\n[plugins.csv]\npath = %q\n", file))(t, heard)
		}},
		"The OTLP receiver gets nothing": {
			onANode(func(*testing.T, *simulatedNode) string { return "[plugins.otlp]\nendpoint = \"http://127.0.0.1:1\"\n" }),
			onANode(func(*testing.T, *simulatedNode) string {
				return "[plugins.otlp]\nendpoint = \"http://127.0.0.1:1\"\nqueue_age = \"1s\"\n"
			}),
			// What Prometheus answers to a delta: e2e/receivers.TestPrometheusTakesNoDeltas.
			otlpAnswers(http.StatusInternalServerError, "invalid temporality and type combination for metric \"cpu_time_delta\"\n"),
			otlpAnswers(http.StatusNotFound, "404 page not found\n"),
		},
		"Prometheus refuses remote write": {
			remoteWriteAnswers(http.StatusNotFound, "404 page not found\n"),
			remoteWriteAnswers(http.StatusBadRequest, "out of order sample\n"),
		},
	}
}
