package simnode

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func names(list *corev1.PodList) []string {
	var out []string
	for _, p := range list.Items {
		out = append(out, p.Namespace+"/"+p.Name)
	}
	return out
}

func TestListReturnsPodsAsTheyWerePut(t *testing.T) {
	for name, contentType := range contentTypes {
		t.Run(name, func(t *testing.T) {
			pod := NewPod(PodTemplate{Namespace: "kube-system", Name: "etcd", Node: "n1", Static: true, QoS: corev1.PodQOSBurstable})
			_, url := listening(t, pod)
			client := newClient(t, url, contentType)
			list, err := listPods(t, client, metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if len(list.Items) != 1 || list.ResourceVersion == "" {
				t.Fatalf("got %d pods at version %q, want 1 and a version", len(list.Items), list.ResourceVersion)
			}
			want := pod.DeepCopy()
			want.ResourceVersion = list.Items[0].ResourceVersion
			if diff := cmp.Diff(want, &list.Items[0]); diff != "" {
				t.Errorf("list (-want +got):\n%s", diff)
			}
			got := &corev1.Pod{}
			if err := client.Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).Do(t.Context()).Into(got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("get (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListSelects(t *testing.T) {
	_, url := listening(t, testPod("shop", "cart", "n1"), testPod("shop", "web", "n2"), testPod("batch", "job", "n1"))
	client := newClient(t, url, contentTypes["protobuf"])
	for _, c := range []struct {
		name      string
		o         metav1.ListOptions
		namespace string
		want      []string
	}{
		{"all", metav1.ListOptions{}, "", []string{"batch/job", "shop/cart", "shop/web"}},
		{"node", metav1.ListOptions{FieldSelector: "spec.nodeName=n1"}, "", []string{"batch/job", "shop/cart"}},
		{"not node", metav1.ListOptions{FieldSelector: "spec.nodeName!=n1"}, "", []string{"shop/web"}},
		{"name", metav1.ListOptions{FieldSelector: "metadata.name=cart"}, "", []string{"shop/cart"}},
		{"namespace field", metav1.ListOptions{FieldSelector: "metadata.namespace=shop,spec.nodeName=n2"}, "", []string{"shop/web"}},
		{"label", metav1.ListOptions{LabelSelector: "app in (job, web)"}, "", []string{"batch/job", "shop/web"}},
		{"namespace", metav1.ListOptions{}, "shop", []string{"shop/cart", "shop/web"}},
		{"none", metav1.ListOptions{FieldSelector: "spec.nodeName=n3"}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := &corev1.PodList{}
			err := client.Get().Namespace(c.namespace).Resource("pods").VersionedParams(&c.o, metav1.ParameterCodec).Do(t.Context()).Into(list)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, names(list)); diff != "" {
				t.Errorf("pods (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPagesAreOfOneVersion(t *testing.T) {
	a, url := listening(t, testPod("a", "1", "n"), testPod("a", "3", "n"), testPod("a", "5", "n"))
	client := newClient(t, url, contentTypes["json"])
	first, err := listPods(t, client, metav1.ListOptions{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	a.Put(testPod("a", "4", "n"))
	if err := a.Delete("a", "5"); err != nil {
		t.Fatal(err)
	}
	second, err := listPods(t, client, metav1.ListOptions{Limit: 2, Continue: first.Continue})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a/1", "a/3", "a/5"}, append(names(first), names(second)...)); diff != "" {
		t.Errorf("pods of both pages (-want +got):\n%s", diff)
	}
	if second.Continue != "" || second.ResourceVersion != first.ResourceVersion {
		t.Errorf("got continue %q and version %s on the last page, want none and %s", second.Continue, second.ResourceVersion, first.ResourceVersion)
	}
	fresh, err := listPods(t, client, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a/1", "a/3", "a/4"}, names(fresh)); diff != "" {
		t.Errorf("pods of a new list (-want +got):\n%s", diff)
	}

	a.Compact()
	_, err = listPods(t, client, metav1.ListOptions{Limit: 2, Continue: first.Continue})
	if !apierrors.IsResourceExpired(err) {
		t.Errorf("got %v for a page of a forgotten version, want a 410", err)
	}
}

func TestListVersions(t *testing.T) {
	a, url := listening(t, testPod("a", "1", "n"))
	client := newClient(t, url, contentTypes["protobuf"])
	old, err := listPods(t, client, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a.Put(testPod("a", "2", "n"))
	a.Put(testPod("a", "3", "n"))
	for _, c := range []struct {
		name string
		o    metav1.ListOptions
		want []string
	}{
		{"cache without pages", metav1.ListOptions{ResourceVersion: "0", Limit: 1}, []string{"a/1", "a/2", "a/3"}},
		{"not older", metav1.ListOptions{ResourceVersion: old.ResourceVersion}, []string{"a/1", "a/2", "a/3"}},
		{"exact", metav1.ListOptions{ResourceVersion: old.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact}, []string{"a/1"}},
		{"exact for pages", metav1.ListOptions{ResourceVersion: old.ResourceVersion, Limit: 5}, []string{"a/1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := listPods(t, client, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, names(list)); diff != "" {
				t.Errorf("pods (-want +got):\n%s", diff)
			}
		})
	}
	resp, body := get(t, "GET", url+"/api/v1/pods?resourceVersion=99999", nil)
	var status metav1.Status
	if err := json.Unmarshal(body, &status); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 504 || !apierrors.HasStatusCause(&apierrors.StatusError{ErrStatus: status}, metav1.CauseTypeResourceVersionTooLarge) {
		t.Errorf("got %d %s for a version of the future, want 504 with its cause", resp.StatusCode, body)
	}
	if resp.Header.Get("Retry-After") != "1" {
		t.Errorf("got Retry-After %q, want 1", resp.Header.Get("Retry-After"))
	}
}

func TestErrorsAreStatuses(t *testing.T) {
	_, url := listening(t, testPod("a", "1", "n"))
	for _, c := range []struct {
		name, method, path string
		accept             string
		code               int
		reason             metav1.StatusReason
		says               string
	}{
		{"unknown field", "GET", "/api/v1/pods?fieldSelector=spec.color=red", "", 400, metav1.StatusReasonBadRequest, "spec.color"},
		{"broken field", "GET", "/api/v1/pods?fieldSelector=nothing", "", 400, metav1.StatusReasonBadRequest, "fieldSelector"},
		{"broken label", "GET", "/api/v1/pods?labelSelector=a%20in", "", 400, metav1.StatusReasonBadRequest, "labelSelector"},
		{"broken version", "GET", "/api/v1/pods?resourceVersion=new", "", 400, metav1.StatusReasonBadRequest, "new"},
		{"broken limit", "GET", "/api/v1/pods?limit=many", "", 400, metav1.StatusReasonBadRequest, "many"},
		{"negative limit", "GET", "/api/v1/pods?limit=-1", "", 400, metav1.StatusReasonBadRequest, "limit"},
		{"broken continue", "GET", "/api/v1/pods?continue=x", "", 400, metav1.StatusReasonBadRequest, "continue"},
		{"initial events of a list", "GET", "/api/v1/pods?sendInitialEvents=true", "", 400, metav1.StatusReasonBadRequest, "sendInitialEvents"},
		{"initial events of any version", "GET", "/api/v1/pods?watch=true&sendInitialEvents=true", "", 400, metav1.StatusReasonBadRequest, "NotOlderThan"},
		{"no such pod", "GET", "/api/v1/namespaces/a/pods/2", "", 404, metav1.StatusReasonNotFound, `pods "2" not found`},
		{"no such path", "GET", "/apis/apps/v1/deployments", "", 404, metav1.StatusReasonNotFound, "requested resource"},
		{"no such method", "DELETE", "/api/v1/pods", "", 405, metav1.StatusReasonMethodNotAllowed, "DELETE"},
		{"no such form", "GET", "/api/v1/pods", "text/html", 406, metav1.StatusReasonNotAcceptable, "application/json"},
		{"no such form of a watch", "GET", "/api/v1/pods?watch=1", "text/html", 406, metav1.StatusReasonNotAcceptable, "application/json"},
		{"table only", "GET", "/api/v1/pods", "application/json;as=Table;v=v1;g=meta.k8s.io", 406, metav1.StatusReasonNotAcceptable, "application/json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := get(t, c.method, url+c.path, http.Header{"Accept": {c.accept}})
			var status metav1.Status
			if err := json.Unmarshal(body, &status); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if status.Kind != "Status" || status.APIVersion != "v1" || status.Status != metav1.StatusFailure {
				t.Errorf("got kind %q, version %q, status %q, want a v1 Status of a failure", status.Kind, status.APIVersion, status.Status)
			}
			if resp.StatusCode != c.code || int(status.Code) != c.code || status.Reason != c.reason || !strings.Contains(status.Message, c.says) {
				t.Errorf("got %d %s, want %d %s with %q", resp.StatusCode, body, c.code, c.reason, c.says)
			}
		})
	}
}

func TestSmallPaths(t *testing.T) {
	_, url := listening(t)
	for _, c := range []struct{ path, want string }{
		{"/healthz", "ok"}, {"/livez", "ok"}, {"/readyz", "ok"}, {"/version", "gitVersion"},
	} {
		if resp, body := get(t, "GET", url+c.path, nil); resp.StatusCode != 200 || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: got %d %q, want 200 with %q", c.path, resp.StatusCode, body, c.want)
		}
	}
}

func FuzzPods(f *testing.F) {
	for _, query := range []string{
		"", "fieldSelector=spec.nodeName%3Dn", "limit=1&continue=e30", "resourceVersion=0&limit=1", "labelSelector=a%3Db",
		"continue=" + formatContinue(page{2, "a/1"}), "resourceVersion=3&resourceVersionMatch=Exact", "watch=true&timeoutSeconds=1",
	} {
		f.Add(query, "application/json")
		f.Add(query, "application/vnd.kubernetes.protobuf;q=0.5,*/*")
	}
	a := NewAPI()
	for _, name := range []string{"1", "2", "3"} {
		a.Put(testPod("a", name, "n"))
	}
	known := []int{200, 400, 406, 410, 504}
	f.Fuzz(func(t *testing.T, query, accept string) {
		r := httptest.NewRequest("GET", "/api/v1/pods", nil)
		r.URL.RawQuery = query
		r.Header.Set("Accept", accept)
		if q, _ := url.ParseQuery(query); q.Has("watch") {
			// A watch would wait for what never comes.
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			r = r.WithContext(ctx)
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if !slices.Contains(known, w.Code) {
			t.Errorf("got %d %s, want one of %v", w.Code, w.Body, known)
		}
	})
}

func FuzzContinue(f *testing.F) {
	f.Add(formatContinue(page{7, "a/b"}))
	f.Add("e30")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := parseContinue(token)
		if err != nil {
			return
		}
		again, err := parseContinue(formatContinue(p))
		if err != nil || again != p {
			t.Errorf("got %v, %v after writing and reading %v", again, err, p)
		}
	})
}
