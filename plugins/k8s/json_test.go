package k8s

import (
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of an object the texts that are wanted are read, whatever else is in it.
func TestJSONTexts(t *testing.T) {
	for _, tt := range []struct {
		text string
		want map[string]string // nil: an error
	}{
		{`{}`, map[string]string{}},
		{`null`, map[string]string{}},
		{`"app"`, map[string]string{}},
		{`["app", "web"]`, map[string]string{}},
		{`{"app": "web", "other": "x", "tier": "front"}`, map[string]string{"app": "web", "tier": "front"}},
		{`{"\u0061pp": "w\u0065b\n"}`, map[string]string{"app": "web\n"}},
		{`{"app": null, "tier": ["x", {"app": "y"}]}`, map[string]string{}},
		{`{"other": {"app": "x"}, "app": "web"}`, map[string]string{"app": "web"}},
		{`{"app": ""}`, map[string]string{"app": ""}},
		{`{"app": "first", "app": "last"}`, map[string]string{"app": "last"}},
		{`{"app": "web"`, nil},
		{`{"app" "web"}`, nil},
		{`{"app": "web"]`, nil},
		{`{"app": we}`, nil},
	} {
		r := jsonPodReader{jsonReader: newJSONReader(strings.NewReader(`{"texts": ` + tt.text + `}`))}
		got := make(map[string]string)
		for range r.members() {
			r.texts(
				func(key []byte) bool { return string(key) == "app" || string(key) == "tier" },
				func(key []byte, text string) { got[string(key)] = text },
			)
		}
		err := r.close()
		if (err != nil) != (tt.want == nil) {
			t.Errorf("%s: error %v", tt.text, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" && err == nil {
			t.Errorf("%s: -want +got\n%s", tt.text, diff)
		}
	}
}

// A list whose items are no pods is an error that says so.
func TestJSONItems(t *testing.T) {
	for text, want := range map[string]string{
		`{"kind": "PodList", "items": {}}`:      "want a list",
		`{"kind": "PodList", "items": "pods"}`:  "want a list",
		`{"kind": "PodList", "items": [{}, 1]}`: "want a pod",
		`{"kind": "PodList", "items": [{}`:      "read the answer",
	} {
		if pods, err := decode([]byte(text), node); err == nil || !strings.Contains(err.Error(), want) || pods != nil {
			t.Errorf("%s: %d pods and error %v, want %q in it", text, len(pods), err, want)
		}
	}
}

// Of what is used null counts as absent, and another kind is an error that says where it is.
func TestJSONKinds(t *testing.T) {
	const whole = `{"kind": "PodList", "metadata": {"continue": ""}, "items": [{"metadata": {"uid": "u", "name": "n",
		"namespace": "s", "resourceVersion": "1", "creationTimestamp": "2026-11-21T12:00:00Z", "annotations": {"a": "b"},
		"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "o", "controller": true}]},
		"spec": {"nodeName": "` + node + `"}, "status": {"phase": "Running", "containerStatuses": [{"name": "c",
		"containerID": "x://1", "state": {"terminated": {"containerID": "x://2"}}, "lastState": {}}]}}]}`
	chosen := allOfPods(t)
	if pods, err := decodeWith([]byte(whole), node, &chosen); err != nil || len(pods) != 1 || len(pods[0].containers) != 2 {
		t.Fatalf("%+v, %v; want a pod with two ids of containers", pods, err)
	}
	for _, tt := range []struct{ value, where, want string }{
		{`"PodList"`, "/kind", "a string"},
		{`{"continue": ""}`, "/metadata", "an object"},
		{`""`, "/metadata/continue", "a string"},
		{`"u"`, "/items/0/metadata/uid", "a string"},
		{`"n"`, "/items/0/metadata/name", "a string"},
		{`"s"`, "/items/0/metadata/namespace", "a string"},
		{`"1"`, "/items/0/metadata/resourceVersion", "a string"},
		{`"2026-11-21T12:00:00Z"`, "/items/0/metadata/creationTimestamp", "a string"},
		{`{"a": "b"}`, "/items/0/metadata/annotations", ""},
		{`"b"`, "/items/0/metadata/annotations/a", ""},
		{`"v1"`, "/items/0/metadata/ownerReferences/0/apiVersion", "a string"},
		{`true`, "/items/0/metadata/ownerReferences/0/controller", "true or false"},
		{`{"nodeName": "` + node + `"}`, "/items/0/spec", "an object"},
		{`"` + node + `"`, "/items/0/spec/nodeName", "a string"},
		{`"Running"`, "/items/0/status/phase", "a string"},
		{`"c"`, "/items/0/status/containerStatuses/0/name", "a string"},
		{`"x://1"`, "/items/0/status/containerStatuses/0/containerID", "a string"},
		{`{"terminated": {"containerID": "x://2"}}`, "/items/0/status/containerStatuses/0/state", "an object"},
		{`{"containerID": "x://2"}`, "/items/0/status/containerStatuses/0/state/terminated", "an object"},
		{`{}`, "/items/0/status/containerStatuses/0/lastState", "an object"},
	} {
		before, after, _ := strings.Cut(whole, ": "+tt.value)
		if _, err := decodeWith([]byte(before+": null"+after), node, &chosen); err != nil && tt.where != "/kind" {
			t.Errorf("%s is null: %v", tt.where, err)
		}
		_, err := decodeWith([]byte(before+": 7"+after), node, &chosen)
		if want := strconv.Quote(tt.where) + " is a number, want " + tt.want; tt.want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want %q in it", err, want)
		} else if tt.want == "" && err != nil {
			t.Errorf("%s is a number: %v", tt.where, err)
		}
	}
	for text, want := range map[string]string{"": "unexpected EOF", whole + "{}": "something follows", whole + "]": "invalid character"} {
		if _, err := decodeWith([]byte(text), node, &chosen); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: error %v, want %q in it", len(text), err, want)
		}
	}
}

// roomReader keeps the room that was there for what is read, at first and at most.
type roomReader struct {
	io.Reader
	first, most int
}

func (r *roomReader) Read(p []byte) (int, error) {
	if r.first == 0 {
		r.first = len(p)
	}
	r.most = max(r.most, len(p))
	return r.Reader.Read(p)
}

// However many pods there are, and whatever is beside them, no more than a pod is held.
func TestKubeletAnswerIsReadAsAStream(t *testing.T) {
	const n = 2000
	one := `{"metadata": {"uid": "u"}, "spec": {"nodeName": "` + node + `", "volumes": [` + strings.Repeat(`"v",`, 1000) + `0]}}`
	list := strings.Repeat(one+",", n-1) + one
	room := &roomReader{Reader: strings.NewReader(`{"kind": "PodList", "other": [` + list + `], "items": [` + list + `]}`)}
	pods, err := decodePods(&io.LimitedReader{R: room, N: answerLimit}, node, new(choice))
	if err != nil || len(pods) != n {
		t.Fatalf("%d pods, want %d; %v", len(pods), n, err)
	}
	if limit := 4 * len(one); room.most > limit {
		t.Errorf("%d bytes are held, want %d at most", room.most, limit)
	}
}
