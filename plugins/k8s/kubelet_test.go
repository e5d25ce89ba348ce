package k8s

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/simnode"
	"github.com/podjoule/podjoule/token"
)

// capturedList is what a real kubelet answered.
func capturedList(t testing.TB, node string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../testdata", node, "kubelet-pods.json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(text []byte, node string) ([]*pod, error) {
	return decodeWith(text, node, new(choice))
}

// What is kept of a real kubelet's answer is what a full decoding gives.
func TestDecodeCapturedPods(t *testing.T) {
	for capture, node := range map[string]string{"v1": "node-1", "v2": "node-2"} {
		text := capturedList(t, capture)
		var full corev1.PodList
		if err := json.Unmarshal(text, &full); err != nil {
			t.Fatal(err)
		}
		for _, entries := range [][]string{nil, everything()} {
			chosen, err := choose(entries)
			if err != nil {
				t.Fatal(err)
			}
			chosen.requests = entries != nil
			want := chosenPodsOf(node, &chosen, full.Items)
			got, err := decodeWith(text, node, &chosen)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(pod{}, requests{})); diff != "" || len(got) != 10 {
				t.Errorf("%s: %d pods, want 10 (-want +got):\n%s", capture, len(got), diff)
			}
		}
	}
}

// The kubelet is asked with the token, over a connection that is verified, and its
// refusals say what is missing.
func TestKubelet(t *testing.T) {
	f := func(name string, answer http.HandlerFunc, want ...string) {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/pods" || r.Header.Get("Authorization") != "Bearer secret" {
					t.Errorf("a request for %s with Authorization %q", r.URL, r.Header.Get("Authorization"))
				}
				answer(w, r)
			}))
			defer server.Close()
			s, _ := start(t, kubeletAt(t, server))
			err := s.firstError(t)
			if len(want) == 0 && (err != nil || s.discovery.current.Load().find("48d542d3d875bedb32a028c007465cdc") == nil) {
				t.Errorf("error %v, and the static pod should be known", err)
			}
			for _, w := range want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("error %v, want %q in it", err, w)
				}
			}
		})
	}
	status := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }
	}
	text := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	f("pods", text(string(capturedList(t, "v1"))))
	f("401", status(http.StatusUnauthorized, "Unauthorized"), "status 401", "check token_retrieval")
	f("403", status(http.StatusForbidden, "Forbidden (user=x, verb=get, resource=nodes, subresource(s)=[pods])"), "status 403", "subresource(s)=[pods]", "nodes/pods")
	f("404", status(http.StatusNotFound, "404 page not found"), "status 404", "is kubelet_url that of a kubelet?")
	f("garbage", text("<html>"), "read the answer")
	f("half", text(`{"kind": "PodList", "items": [{"metadata":`), "read the answer")
	f("another kind", text(`{"kind": "Status"}`), `kind "Status", want PodList`)
}

// A kubelet whose certificate cannot be verified does not get the token.
func TestKubeletIsVerified(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a request for %s", r.URL)
	}))
	defer server.Close()
	s, _ := start(t, kubeletAt(t, server), func(c *Config) { c.CAFile = "" })
	if err := s.firstError(t); err == nil || !strings.Contains(err.Error(), "set ca_file") {
		t.Errorf("error %v, want that of a certificate with its remedy", err)
	}
}

func certificateOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// kubeletAt configures a server as the kubelet.
func kubeletAt(t *testing.T, server *httptest.Server) func(*Config) {
	t.Helper()
	folder := t.TempDir()
	file, authority := filepath.Join(folder, "token"), filepath.Join(folder, "ca.crt")
	for path, text := range map[string][]byte{file: []byte("secret"), authority: certificateOf(server)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(c *Config) {
		c.Discovery, c.KubeletURL, c.CAFile = modeKubelet, server.URL, authority
		c.Token = token.Config{Strategy: token.File, File: file}
		c.CgroupRoot = newTree(t, simnode.Layout{Version: simnode.V2}).Root()
	}
}

// Whatever a kubelet answers, what is kept of it is sound.
func FuzzDecodePods(f *testing.F) {
	f.Add(capturedList(f, "v1"))
	f.Add([]byte(`{"kind": "PodList", "items": [{"metadata": {"uid": "u"}, "spec": {"nodeName": "node-1"}}]}`))
	f.Add([]byte(`{"kind": "PodList", "items": null}`))
	f.Add([]byte(`{"kind": "PodList", "items": [{"metadata": {"uid": "u", "labels": {"app": "a", "\u0061pp": "b"}, "annotations": null,
		"ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": true}]}, "spec": {"nodeName": "node-1"}}]}`))
	f.Add([]byte(`{"kind": "PodList", "items": [{}, 1]}`))
	f.Add([]byte(`{"kind": "PodList", "items": [{"metadata": {"labels": {"app": `))
	chosen := allOfPods(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		pods, err := decodeWith(text, node, &chosen)
		if err != nil && pods != nil {
			t.Errorf("%d pods beside %v", len(pods), err)
		}
		for _, p := range pods {
			if p.uid == "" || p.containers == nil {
				t.Errorf("a pod without a UID: %+v", p)
			}
			for i, a := range p.attributes {
				if i > 0 && p.attributes[i-1].Key >= a.Key {
					t.Errorf("attributes are not sorted: %q", p.attributes)
				}
				if !utf8.ValidString(a.Value) || len(a.Value) > 3*longestValue || !slices.Contains(chosen.keys(), a.Key) {
					t.Errorf("the attribute %q is %q", a.Key, a.Value)
				}
			}
		}
	})
}
