package k8s

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
	"github.com/podjoule/podjoule/token"
)

// oneWatch answers one watch with a body, after a list of one pod if that is wanted, and
// refuses all else.
type oneWatch struct {
	body     []byte
	kind     string // its content type
	list     []byte // nil: the watch begins with the list
	answered bool
	over     func() // nobody is there any more
}

func (o *oneWatch) RoundTrip(q *http.Request) (*http.Response, error) {
	query := q.URL.Query()
	answer := func(code int, kind string, body []byte) (*http.Response, error) {
		return &http.Response{
			StatusCode: code, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(bytes.NewReader(body)), Request: q,
		}, nil
	}
	switch {
	case o.list != nil && query.Has("sendInitialEvents"):
		return answer(http.StatusUnprocessableEntity, "text/plain", nil)
	case o.list != nil && !query.Has("watch") && !o.answered:
		return answer(http.StatusOK, "application/json", o.list)
	case query.Has("watch") && !o.answered:
		o.answered = true
		return answer(http.StatusOK, o.kind, o.body)
	}
	if o.answered {
		o.over()
	}
	return answer(http.StatusInternalServerError, "text/plain", nil)
}

// watchBody is what a server tells of one pod: its birth, a change, the list's end, its end.
func watchBody(f *testing.F, accept string) []byte {
	f.Helper()
	api := simnode.NewAPI()
	p := simnode.NewPod(template("shop", "web"))
	p.Spec.NodeName = node
	api.Put(p)
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	flushes := 0
	body := &recording{header: make(http.Header)}
	body.end = func() {
		switch flushes++; flushes {
		case 1:
			api.Put(p)
		case 2:
			api.Bookmark()
		case 3:
			if err := api.Delete(p.Namespace, p.Name); err != nil {
				f.Error(err)
			}
		case 4:
			cancel()
		}
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://127.0.0.1/api/v1/pods?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", nil)
	if err != nil {
		f.Fatal(err)
	}
	q.Header.Set("Accept", accept)
	api.ServeHTTP(body, q)
	return body.Bytes()
}

// Whatever a watch says, the book stays true to itself, and holds no more than was said.
func FuzzWatch(f *testing.F) {
	const inJSON, inProtobuf = "application/json", "application/vnd.kubernetes.protobuf"
	for _, listed := range []bool{false, true} {
		for _, protobuf := range []bool{false, true} {
			kind := inJSON
			if protobuf {
				kind = inProtobuf
			}
			body := watchBody(f, kind)
			f.Add(body, protobuf, listed)
			f.Add(body[:len(body)/2], protobuf, listed)
			f.Add(append(body, body...), protobuf, listed)
		}
	}
	f.Add([]byte(`{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","code":410,"reason":"Expired"}}`), false, true)
	f.Add([]byte(`{"type":"ADDED","object":{"kind":"Node","apiVersion":"v1"}}{"type":"ODD"}`), false, false)
	f.Add([]byte("\xff\xff\xff\xff"), true, false) // an event of 4 GiB is announced

	old := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: []corev1.Pod{*oddPod()}}
	old.ResourceVersion = "5"
	list, err := json.Marshal(&old)
	if err != nil {
		f.Fatal(err)
	}
	c := defaults()
	s, err := newServer(c, node, new(choice), token.New(c.Token), plugintest.NewHost(f).Host)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, protobuf, listed bool) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answers := &oneWatch{body: body, kind: inJSON, over: cancel}
		if protobuf {
			answers.kind = inProtobuf + ";stream=watch"
		}
		if listed {
			answers.list = list
		}
		s.client.Client.Transport = answers
		d := newDiscovery(modeWatch, s, time.Microsecond)
		d.server = s
		err := newFollower(d).attempt(ctx)
		if !answers.answered {
			t.Fatalf("the watch was not begun: %v", err)
		}
		if d.whole != (time.Time{}) {
			t.Fatal("the book counts as whole without a watch")
		}
		if held := len(d.live) + len(d.gone); held > 1+len(body)/20 {
			t.Fatalf("%d pods are held after %d bytes", held, len(body))
		}
		directory := d.current.Load()
		for uid, p := range d.live {
			if uid == "" || p.uid != uid || p.containers == nil || directory.find(uid) == nil {
				t.Fatalf("pod %q is %+v, and in the directory %+v", uid, p, directory.find(uid))
			}
			if _, both := d.gone[uid]; both {
				t.Fatalf("pod %q is there and gone", uid)
			}
		}
		for uid, p := range d.gone {
			if p.pod == nil || p.uid != uid || p.at.IsZero() {
				t.Fatalf("pod %q that is gone: %+v", uid, p)
			}
		}
	})
}
