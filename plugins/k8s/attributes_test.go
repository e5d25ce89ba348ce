package k8s

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// everything chooses attributes of every sort.
func everything() []string {
	return []string{"workload", "qos", "phase", "label:app", "label:app.kubernetes.io/name", "annotation:example.org/Note"}
}

// configured opens the plugin without a Run, on pods that are known.
func configured(t testing.TB, c *Config, pods ...*corev1.Pod) (*source, *plugintest.Host) {
	t.Helper()
	c.Node = node
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	host := plugintest.NewHost(t)
	opened, err := c.Open(t.Context(), host.Host)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*source)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.know(pods...)
	return s, host
}

// know has the source know these pods and no others.
func (s *source) know(pods ...*corev1.Pod) {
	var known []*pod
	for _, p := range pods {
		known = append(known, newChosenPod(node, &s.chosen, p))
	}
	s.discovery.replace(known, time.Now())
}

func TestChoose(t *testing.T) {
	long := strings.Repeat("a", 64)
	tests := []struct {
		name    string
		entries []string
		want    string // in the error; none is wanted when it is empty
	}{
		{"nothing", nil, ""},
		{"all sorts", everything(), ""},
		{"label and annotation of one key", []string{"label:app", "annotation:app"}, ""},
		{"unknown", []string{"qos", "owner"}, `unknown attribute "owner"; known are workload, qos, phase, label:KEY, annotation:KEY`},
		{"empty", []string{""}, `unknown attribute ""`},
		{"another case", []string{"QoS"}, `unknown attribute "QoS"`},
		{"blank", []string{" qos"}, `unknown attribute " qos"`},
		{"twice", []string{"qos", "phase", "qos"}, `"qos" is there twice`},
		{"label twice", []string{"label:app", "label:app"}, `"label:app" is there twice`},
		{"label without key", []string{"label:"}, `the key in "label:" is not valid`},
		{"label with a blank", []string{"label:my app"}, `the key in "label:my app" is not valid`},
		{"label of two slashes", []string{"label:a/b/c"}, `the key in "label:a/b/c" is not valid`},
		{"label that is too long", []string{"label:" + long}, "63"},
		{"label of a bad domain", []string{"label:Example.org/name"}, `"label:Example.org/name"`},
		{"annotation of a domain in capitals", []string{"annotation:Example.org/name"}, ""},
		{"annotation without key", []string{"annotation:"}, `the key in "annotation:" is not valid`},
		{"not UTF-8", []string{"label:\xff"}, `"label:\xff"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := defaults()
			c.Attributes = tt.entries
			err := c.Validate()
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var about *plugin.KeyError
			if !errors.As(err, &about) || about.Key != "attributes" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one about attributes with %q", err, tt.want)
			}
		})
	}
}

func FuzzChoose(f *testing.F) {
	for _, entry := range append(everything(), "", "label:", "annotation:a/", "label:\x00") {
		f.Add(entry)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		c := defaults()
		c.Attributes = []string{entry}
		if c.Validate() != nil {
			return
		}
		for _, m := range c.Metrics() {
			if !slices.IsSorted(m.Attributes) || len(slices.Compact(slices.Clone(m.Attributes))) != len(m.Attributes) {
				t.Errorf("%s has the attributes %q", m.Name, m.Attributes)
			}
			for _, key := range m.Attributes {
				if !utf8.ValidString(key) || strings.ContainsAny(key, " \n\"") {
					t.Errorf("%s has the attribute %q", m.Name, key)
				}
			}
		}
	})
}

// Every series has the chosen attributes, those of containers too, as declared.
func TestAttributesOfSeries(t *testing.T) {
	tree := newTree(t, simnode.Layout{Version: simnode.V2})
	yes := true
	full := simnode.NewPod(template("shop", "full"))
	full.Labels = map[string]string{"app": "", "app.kubernetes.io/name": "web", "secret": "x"}
	full.Annotations = map[string]string{"example.org/Note": "a\nb\x00\"c\xff", "other": "x"}
	full.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web", Controller: &yes}}
	bare := simnode.NewPod(simnode.PodTemplate{Namespace: "shop", Name: "bare", QoS: corev1.PodQOSGuaranteed, Node: node})
	bare.Status.Phase = ""
	unknown := simnode.NewPod(simnode.PodTemplate{Namespace: "shop", Name: "unknown", QoS: corev1.PodQOSBestEffort, Node: node})
	for _, p := range []*corev1.Pod{full, bare, unknown} {
		if err := tree.AddPod(p); err != nil {
			t.Fatal(err)
		}
	}
	c := defaults()
	c.CgroupRoot, c.Containers, c.Attributes = tree.Root(), true, everything()
	s, _ := configured(t, c, full, bare)
	declared := make(map[*measure.Metric]bool)
	for _, m := range c.Metrics() {
		declared[m] = true
	}
	t0 := time.Now()
	pollAt(t, s, t0, t0)
	s.know(full, bare) // the server had its chance to name the unknown one
	pollAt(t, s, t0, t0.Add(interval))
	b := pollAt(t, s, t0.Add(interval), t0.Add(2*interval))
	want := map[string]map[string]string{
		string(full.UID): {
			"workload": "web", "workload_kind": "StatefulSet", "qos": "Burstable", "phase": "Running",
			"label:app": "", "label:app.kubernetes.io/name": "web", "annotation:example.org/Note": "a\nb\x00\"c\uFFFD",
		},
		string(bare.UID):    {"qos": "Guaranteed"},
		string(unknown.UID): {"qos": "BestEffort"},
	}
	common := []string{keyContainer, keyContainerID, keyKind, keyName, keyNamespace, keyNode, keyUID}
	levels := make(map[bool]int)
	for i := range b.Samples {
		x := b.Samples[i].Series
		if !declared[x.Metric] {
			t.Errorf("%s was not declared", x.Metric.Name)
		}
		var keys []string
		got := make(map[string]string)
		for _, a := range x.Attributes {
			keys = append(keys, a.Key)
			if !slices.Contains(x.Metric.Attributes, a.Key) {
				t.Errorf("%s has the attribute %q, which was not declared", x.Metric.Name, a.Key)
			}
			if !slices.Contains(common, a.Key) {
				got[a.Key] = a.Value
			}
		}
		if !slices.IsSorted(keys) {
			t.Errorf("%s: attributes %q are not sorted", x.Metric.Name, keys)
		}
		if diff := cmp.Diff(want[attributeOf(x, keyUID)], got); diff != "" {
			t.Errorf("%s of %s: -want +got\n%s", x.Metric.Name, attributeOf(x, keyName), diff)
		}
		levels[attributeOf(x, keyContainer) != ""]++
	}
	if want := map[bool]int{false: 33, true: 22}; !cmp.Equal(want, levels) {
		t.Errorf("samples of containers: %v, want %v", levels, want)
	}
}

// Without a choice the metrics are the same values as ever.
func TestMetricsAreOneValue(t *testing.T) {
	c := defaults()
	if diff := cmp.Diff(Plugin().Metrics[0], c.Metrics()[0]); diff != "" || c.Metrics()[0] != Plugin().Metrics[0] {
		t.Errorf("two values of one metric: %s", diff)
	}
	c.Attributes = everything()
	if first, again := c.Metrics(), c.Metrics(); first[0] != again[0] {
		t.Error("a metric with attributes is another value each time")
	}
	if want := []string{"annotation:example.org/Note", "kind", "label:app", "label:app.kubernetes.io/name", "name", "namespace", "node", "phase", "qos", "uid", "workload", "workload_kind"}; !cmp.Equal(want, c.Metrics()[0].Attributes) {
		t.Errorf("attributes %q, want %q", c.Metrics()[0].Attributes, want)
	}
}

// What is long is cut between characters, and the rest is not kept.
func TestLongValue(t *testing.T) {
	for _, tt := range []struct{ value, want string }{
		{strings.Repeat("x", longestValue), strings.Repeat("x", longestValue)},
		{strings.Repeat("x", longestValue+1), strings.Repeat("x", longestValue)},
		{"x" + strings.Repeat("ü", longestValue), "x" + strings.Repeat("ü", longestValue/2-1)},
		{"\xff", "\uFFFD"},
		{"", ""},
	} {
		if got := bounded(tt.value); got != tt.want {
			t.Errorf("%.10q of %d bytes becomes %d bytes, want %d", tt.value, len(tt.value), len(got), len(tt.want))
		}
	}
}

// A real node's API server and its kubelet tell the same attributes, and those of
// the pods as they were made there.
func TestCapturedAttributes(t *testing.T) {
	chosen, err := choose([]string{"workload", "label:app", "label:team", "annotation:kubernetes.io/config.mirror"})
	if err != nil {
		t.Fatal(err)
	}
	for capture, node := range map[string]string{"v1": "node-1", "v2": "node-2"} {
		text, err := os.ReadFile(filepath.Join("../../testdata", capture, "api-pods.json"))
		if err != nil {
			t.Fatal(err)
		}
		var list corev1.PodList
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatal(err)
		}
		told := func(pods []*pod) map[string]string {
			all := make(map[string]string)
			for _, p := range pods {
				name, _, _ := strings.Cut(p.name, "-")
				for _, a := range p.attributes {
					if !strings.HasPrefix(a.Key, chooseAnnotation) { // a mirror has it, and it has not
						all[name] += a.Key + "=" + a.Value + " "
					}
				}
			}
			return all
		}
		want := map[string]string{
			"static": "label:app=static workload=" + node + " workload_kind=Node ", "dep": "label:app=dep workload=dep workload_kind=Deployment ",
			"ds": "label:app=ds workload=ds workload_kind=DaemonSet ", "guaranteed": "label:app=pay label:team=core ",
			"short": "label:app=batch ", "burstable": "label:app=search ", "besteffort": "label:app=idle ", "two": "label:app=two ", "hostnet": "label:app=hostnet ",
		}
		body, err := list.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		ofServer := podObjectList{chosen: &chosen}
		if err := ofServer.Unmarshal(body); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, told(ofServer.of(node))); diff != "" {
			t.Errorf("%s, API server: -want +got\n%s", capture, diff)
		}
		ofKubelet, err := decodeWith(capturedList(t, capture), node, &chosen)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, told(ofKubelet)); diff != "" {
			t.Errorf("%s, kubelet: -want +got\n%s", capture, diff)
		}
	}
}

func decodeWith(text []byte, node string, chosen *choice) ([]*pod, error) {
	return decodePods(&io.LimitedReader{R: bytes.NewReader(text), N: answerLimit}, node, chosen)
}

// Watched, polled or from the kubelet: the pods are the same.
func TestAttributesInEveryMode(t *testing.T) {
	chosen, err := choose(everything())
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	p := simnode.NewPod(template("batch", "backup"))
	p.Labels = map[string]string{"app": "backup", "app.kubernetes.io/name": "\u00e4\"", "other": "x"}
	p.Annotations = map[string]string{"example.org/Note": strings.Repeat("n", 2*longestValue), "other": "x"}
	name := job("backup", made.Sub(p.CreationTimestamp.Time)) // of the minute in which the pod was made
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "ConfigMap", Name: "other"}, {APIVersion: "batch/v1", Kind: "Job", Name: name, Controller: &yes}}
	want := newChosenPod(node, &chosen, p).attributes
	if len(want) != 6 || want[4].Value != "backup" || want[5].Value != "CronJob" {
		t.Fatalf("attributes %v, want 6 with those of a CronJob", want)
	}
	api, url := newAPI(t)
	api.Put(p)
	kubelet := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: []corev1.Pod{*p}}
		if err := json.NewEncoder(w).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	defer kubelet.Close()
	for _, mode := range modes() {
		t.Run(mode, func(t *testing.T) {
			change := func(c *Config) { c.APIURL, c.CgroupRoot = url, newTree(t, simnode.Layout{Version: simnode.V2}).Root() }
			if mode == modeKubelet {
				change = kubeletAt(t, kubelet)
			}
			s, _ := start(t, change, func(c *Config) { c.Discovery, c.Attributes = mode, everything() })
			s.firstList(t)
			known := s.discovery.current.Load().find(string(p.UID))
			if known == nil {
				t.Fatalf("the pod is not known: %v", s.Ready())
			}
			if diff := cmp.Diff(want, known.attributes); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
