package simnode

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// API is a Kubernetes API server that knows pods. It serves
//
//	GET  /api/v1/pods                                            list, watch
//	GET  /api/v1/namespaces/{namespace}/pods                     list, watch
//	GET  /api/v1/namespaces/{namespace}/pods/{name}
//	POST /api/v1/namespaces/{namespace}/serviceaccounts/{name}/token
//	GET  /version, /healthz, /livez, /readyz
//
// in JSON or protobuf, as the client accepts, and answers every error with a
// Status. Lists and watches know fieldSelector, labelSelector, limit, continue,
// resourceVersion, resourceVersionMatch, sendInitialEvents, allowWatchBookmarks
// and timeoutSeconds, and treat them as a real server does.
//
// It is an http.Handler; Listen serves it on loopback. Everybody may do
// everything until RequireTokens is called. All methods may be called at any
// time from any goroutine.
type API struct {
	store  *store
	tokens *tokens
	log    requestLog
	faults faults
	server server
	media  media
	mux    *http.ServeMux
}

// NewAPI makes an API server without pods. It does not listen yet.
func NewAPI() *API {
	a := &API{store: newStore(), tokens: newTokens(), media: newMedia(), mux: http.NewServeMux()}
	a.mux.HandleFunc("GET /api/v1/pods", a.servePods)
	a.mux.HandleFunc("GET /api/v1/namespaces/{namespace}/pods", a.servePods)
	a.mux.HandleFunc("GET /api/v1/namespaces/{namespace}/pods/{name}", a.servePod)
	a.mux.HandleFunc("POST /api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", a.serveToken)
	a.mux.HandleFunc("GET /version", serveVersion)
	for _, path := range []string{"/healthz", "/livez", "/readyz"} {
		a.mux.HandleFunc("GET "+path, serveHealth)
	}
	for _, path := range []string{
		"/api/v1/pods", "/api/v1/namespaces/{namespace}/pods", "/api/v1/namespaces/{namespace}/pods/{name}",
		"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
	} {
		a.mux.HandleFunc(path, a.serveWrongMethod)
	}
	a.mux.HandleFunc("/", a.serveUnknown)
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = a.log.begin(w, r)
	serve := http.HandlerFunc(a.serveAuthenticated)
	if fault := a.faults.next(); fault != nil {
		fault(w, r, serve)
		return
	}
	serve(w, r)
}

func (a *API) serveAuthenticated(w http.ResponseWriter, r *http.Request) {
	if !a.tokens.known(r) {
		a.fail(w, r, apierrors.NewUnauthorized("Unauthorized"))
		return
	}
	a.mux.ServeHTTP(w, r)
}

func (a *API) serveWrongMethod(w http.ResponseWriter, r *http.Request) {
	a.fail(w, r, apierrors.NewMethodNotSupported(corev1.Resource("pods"), r.Method))
}

func (a *API) serveUnknown(w http.ResponseWriter, r *http.Request) {
	a.fail(w, r, apierrors.NewGenericServerResponse(http.StatusNotFound, r.Method, corev1.Resource(""), "", "the server could not find the requested resource", 0, false))
}

func serveVersion(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintln(w, `{"major":"1","minor":"36","gitVersion":"v1.36.3","platform":"linux/amd64"}`)
}

func serveHealth(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }

// Put adds a pod or, when one of its namespace and name is there, replaces it.
// The pod is copied and gets a resource version of its own.
func (a *API) Put(pod *corev1.Pod) { a.store.put(pod) }

// Delete deletes a pod. A pod that is not there is an error.
func (a *API) Delete(namespace, name string) error {
	if !a.store.remove(namespace, name) {
		return fmt.Errorf("delete pod %s/%s: there is no such pod", namespace, name)
	}
	return nil
}

// Pods returns copies of all pods, ordered by namespace and name.
func (a *API) Pods() []*corev1.Pod {
	pods, _, _ := a.store.current()
	for i := range pods {
		pods[i] = pods[i].DeepCopy()
	}
	return pods
}

// Bookmark sends a BOOKMARK to every running watch that allows them.
func (a *API) Bookmark() { a.store.bookmark() }

// CutWatches cuts the connection of every running watch, as a proxy does.
func (a *API) CutWatches() { a.store.cut() }

// Compact forgets all changes up to now. Running watches get an ERROR event
// with a Status 410, and so do watches and continued lists that resume from an
// earlier version.
func (a *API) Compact() { a.store.compact() }

// servePod answers a request for one pod.
func (a *API) servePod(w http.ResponseWriter, r *http.Request) {
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	if err := a.tokens.authorize(r, GetPods, namespace, name); err != nil {
		a.fail(w, r, err)
		return
	}
	pods, _, _ := a.store.current()
	i := slices.IndexFunc(pods, func(p *corev1.Pod) bool { return p.Namespace == namespace && p.Name == name })
	if i < 0 {
		a.fail(w, r, apierrors.NewNotFound(corev1.Resource("pods"), name))
		return
	}
	pod := *pods[i] // the encoder writes its kind into the object
	a.answer(w, r, http.StatusOK, &pod)
}

// asStatus returns the error as a status error; others become a 500.
func asStatus(err error) apierrors.APIStatus {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		status = apierrors.NewInternalError(err)
	}
	return status
}
