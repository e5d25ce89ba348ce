package simnode

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

func TestFaultsComeInTurn(t *testing.T) {
	a, url := listening(t, testPod("a", "1", "n"))
	client := newClient(t, url, contentTypes["protobuf"])
	a.Inject(2, a.AnswerStatus(503, 0))
	a.Inject(1, a.AnswerStatus(429, 7))
	for range 2 {
		if _, err := listPods(t, client, metav1.ListOptions{}); !apierrors.IsServiceUnavailable(err) {
			t.Errorf("got %v, want a 503", err)
		}
	}
	resp, _ := get(t, "GET", url+"/api/v1/pods", nil)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" {
		t.Errorf("got %d, Retry-After %q, want 429 and 7", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	if list, err := listPods(t, client, metav1.ListOptions{}); err != nil || len(list.Items) != 1 {
		t.Errorf("got %v, %v after the faults, want the pod", list, err)
	}
	a.Inject(5, a.AnswerStatus(500, 0))
	a.ClearFaults()
	if _, err := listPods(t, client, metav1.ListOptions{}); err != nil {
		t.Errorf("got %v after the faults were taken back, want none", err)
	}
	if got := a.Count(func(r Request) bool { return r.Status == 503 && r.Path == "/api/v1/pods" }); got != 2 {
		t.Errorf("got %d answers of 503 in the log, want 2", got)
	}
}

func TestHalfAnAnswer(t *testing.T) {
	a, url := listening(t, testPod("a", "1", "n"))
	a.Inject(1, AnswerHalf)
	resp, err := http.Get(url + "/api/v1/pods")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) == 0 || int64(len(body)) >= resp.ContentLength {
		t.Errorf("got %d of %d bytes, %v, want half and an unexpected end", len(body), resp.ContentLength, err)
	}

	a.Inject(1, AnswerHalf)
	w := watchPods(t, newClient(t, url, contentTypes["json"]), metav1.ListOptions{})
	for {
		e, ok := nextEvent(t, w)
		if !ok {
			break
		}
		if e.Type != watch.Error {
			t.Errorf("got %s from half an event, want none", e.Type)
		}
	}
}

func TestGarbage(t *testing.T) {
	for name, contentType := range contentTypes {
		a, url := listening(t)
		a.Inject(1, AnswerGarbage)
		if _, err := listPods(t, newClient(t, url, contentType), metav1.ListOptions{}); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	a, url := listening(t)
	reached := make(chan struct{})
	a.Inject(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(reached)
		AnswerNever(w, r, next)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	err := newClient(t, url, contentTypes["json"]).Get().Resource("pods").Do(ctx).Error()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that nothing came until the client gave up", err)
	}
	if got := a.Requests()[0].Status; got != 0 {
		t.Errorf("got status %d in the log, want none", got)
	}
}

func TestListenerGoesDownAndComesBack(t *testing.T) {
	a, url := listening(t, testPod("a", "1", "n"))
	client := newClient(t, url, contentTypes["protobuf"])
	w := watchPods(t, client, metav1.ListOptions{})
	wantEvent(t, w, watch.Added, "1")
	if _, err := a.Listen(); err == nil {
		t.Error("a second Listen gives no error")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	for e, ok := nextEvent(t, w); ok; e, ok = nextEvent(t, w) {
		if e.Type != watch.Error {
			t.Errorf("got %s from a server that is down", e.Type)
		}
	}
	if _, err := listPods(t, client, metav1.ListOptions{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v from a server that is down, want a refused connection", err)
	}
	again, err := a.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if again != url {
		t.Errorf("got %s, want the same address %s", again, url)
	}
	if list, err := listPods(t, client, metav1.ListOptions{}); err != nil || len(list.Items) != 1 {
		t.Errorf("got %v, %v after it came back, want the pod", list, err)
	}
}

func TestTLSIsVerified(t *testing.T) {
	a := NewAPI()
	a.Put(testPod("a", "1", "n"))
	url, err := a.ListenTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if !strings.HasPrefix(url, "https://127.0.0.1:") {
		t.Errorf("got %s, want https on loopback", url)
	}
	trusting := newClient(t, url, contentTypes["protobuf"], func(c *rest.Config) { c.CAData = a.CA() })
	if _, err := listPods(t, trusting, metav1.ListOptions{}); err != nil {
		t.Errorf("with the authority: %v", err)
	}
	byName := newClient(t, strings.Replace(url, "127.0.0.1", "localhost", 1), contentTypes["protobuf"], func(c *rest.Config) { c.CAData = a.CA() })
	if _, err := listPods(t, byName, metav1.ListOptions{}); err != nil {
		t.Errorf("by name: %v", err)
	}
	var unknown x509.UnknownAuthorityError
	if _, err := listPods(t, newClient(t, url, contentTypes["protobuf"]), metav1.ListOptions{}); !errors.As(err, &unknown) {
		t.Errorf("got %v without the authority, want that it is unknown", err)
	}
	w := watchPods(t, trusting, metav1.ListOptions{})
	wantEvent(t, w, watch.Added, "1")
}
