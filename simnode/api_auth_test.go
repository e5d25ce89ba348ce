package simnode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

func withToken(token string) func(*rest.Config) {
	return func(c *rest.Config) { c.BearerToken = token }
}

func TestTokensAreRequired(t *testing.T) {
	a, url := listening(t, testPod("a", "1", "n"))
	agent := ServiceAccountUser("alumet", "alumet-reader")
	a.RequireTokens()
	a.Allow(agent, ListPods, WatchPods)
	a.AddToken("old", agent)
	a.AddToken("stranger", "somebody")

	list := func(token string) error {
		_, err := listPods(t, newClient(t, url, contentTypes["protobuf"], withToken(token)), metav1.ListOptions{})
		return err
	}
	if err := list(""); !apierrors.IsUnauthorized(err) {
		t.Errorf("got %v without a token, want a 401", err)
	}
	if err := list("wrong"); !apierrors.IsUnauthorized(err) {
		t.Errorf("got %v with a wrong token, want a 401", err)
	}
	if err := list("old"); err != nil {
		t.Errorf("got %v with a valid token, want pods", err)
	}
	err := list("stranger")
	want := `pods is forbidden: User "somebody" cannot list resource "pods" in API group "" at the cluster scope`
	if !apierrors.IsForbidden(err) || err.Error() != want {
		t.Errorf("got %v without the right, want a 403: %s", err, want)
	}

	a.AddToken("new", agent)
	a.RevokeToken("old")
	if err := list("old"); !apierrors.IsUnauthorized(err) {
		t.Errorf("got %v with a revoked token, want a 401", err)
	}
	if err := list("new"); err != nil {
		t.Errorf("got %v with the new token, want pods", err)
	}

	// Being allowed to list is not being allowed to get, nor to watch.
	client := newClient(t, url, contentTypes["json"], withToken("new"))
	err = client.Get().Namespace("a").Resource("pods").Name("1").Do(t.Context()).Error()
	want = `pods "1" is forbidden: User "system:serviceaccount:alumet:alumet-reader" cannot get resource "pods" in API group "" in the namespace "a"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	a.Allow(agent, ListPods)
	_, err = client.Get().Resource("pods").Param("watch", "true").Watch(t.Context())
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "cannot watch resource") {
		t.Errorf("got %v for a watch, want a 403", err)
	}
	if got := a.Count(func(r Request) bool { return !r.Authorization && r.Status == http.StatusUnauthorized }); got != 1 {
		t.Errorf("got %d requests without an Authorization header in the log, want 1", got)
	}
	for _, r := range a.Requests() {
		if text := fmt.Sprintf("%+v", r); strings.Contains(text, "old") || strings.Contains(text, "stranger") {
			t.Errorf("a token is in the log: %s", text)
		}
	}
}

func TestWatchOutlivesItsToken(t *testing.T) {
	a, url := listening(t)
	a.RequireTokens()
	a.Allow("agent", WatchPods)
	a.AddToken("secret", "agent")
	w := watchPods(t, newClient(t, url, contentTypes["json"], withToken("secret")), metav1.ListOptions{})
	a.RevokeToken("secret")
	a.Put(testPod("a", "1", "n"))
	wantEvent(t, w, watch.Added, "1")
}

// askToken posts a request for a token and returns the answer.
func askToken(t *testing.T, url, bearer, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/api/v1/namespaces/alumet/serviceaccounts/alumet-reader/token", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, out.Bytes()
}

func TestTokensCanBeAskedFor(t *testing.T) {
	a, url := listening(t)
	a.RequireTokens()
	a.AddToken("admin", "admin")
	a.AddToken("agent", ServiceAccountUser("alumet", "alumet-reader"))
	a.Allow("admin", CreateTokens)

	if code, body := askToken(t, url, "admin", ""); code != 404 || !strings.Contains(string(body), `serviceaccounts \"alumet-reader\" not found`) {
		t.Errorf("got %d %s before there is such an account, want a 404", code, body)
	}
	a.Allow(ServiceAccountUser("alumet", "alumet-reader"), ListPods)
	if code, body := askToken(t, url, "agent", ""); code != 403 || !strings.Contains(string(body), `cannot create resource \"serviceaccounts/token\"`) {
		t.Errorf("got %d %s without the right, want a 403", code, body)
	}
	for _, body := range []string{"{", `{"kind":"Pod","apiVersion":"v1"}`, `{"spec":{"expirationSeconds":60}}`, `{"spec":{"expirationSeconds":9999999999999}}`} {
		if code, answer := askToken(t, url, "admin", body); code != 400 {
			t.Errorf("got %d %s for %s, want a 400", code, answer, body)
		}
	}
	code, body := askToken(t, url, "admin", `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{"audiences":["a"],"expirationSeconds":600}}`)
	var got authv1.TokenRequest
	if err := json.Unmarshal(body, &got); err != nil || code != 201 {
		t.Fatalf("got %d %s, %v, want a token", code, body, err)
	}
	if got.Kind != "TokenRequest" || got.APIVersion != "authentication.k8s.io/v1" || got.Status.ExpirationTimestamp.IsZero() {
		t.Errorf("got kind %q, version %q, expiry %v, want a whole TokenRequest", got.Kind, got.APIVersion, got.Status.ExpirationTimestamp)
	}
	if _, err := listPods(t, newClient(t, url, contentTypes["json"], withToken(got.Status.Token)), metav1.ListOptions{}); err != nil {
		t.Errorf("list with the new token: %v", err)
	}
}
