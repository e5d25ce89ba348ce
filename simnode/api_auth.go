package simnode

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Right is a verb and the resource that it may be used on.
type Right string

// The rights that the API server tells apart.
const (
	GetPods      Right = "get pods"
	ListPods     Right = "list pods"
	WatchPods    Right = "watch pods"
	CreateTokens Right = "create serviceaccounts/token"
)

// ServiceAccountUser returns the name under which a service account is known as
// a user.
func ServiceAccountUser(namespace, name string) string {
	return "system:serviceaccount:" + namespace + ":" + name
}

// Lifetimes of tokens that are asked for, as in a real server.
const (
	defaultTokenLife = time.Hour
	minTokenLife     = 10 * time.Minute
)

// tokens knows who a bearer token belongs to and what that user may do.
type tokens struct {
	mu       sync.Mutex
	required bool
	users    map[string]holder // by token
	rights   map[string]map[Right]bool
}

type holder struct {
	user    string
	expires time.Time // zero: never
}

func newTokens() *tokens {
	return &tokens{users: map[string]holder{}, rights: map[string]map[Right]bool{}}
}

// RequireTokens makes the server answer 401 to every request without a valid
// bearer token, and 403 to what the token's user may not do.
func (a *API) RequireTokens() {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	a.tokens.required = true
}

// AddToken makes a token valid for a user until it is revoked.
func (a *API) AddToken(token, user string) { a.tokens.add(token, holder{user: user}) }

// RevokeToken makes a token invalid. Running watches go on, as they do in a
// real server.
func (a *API) RevokeToken(token string) {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	delete(a.tokens.users, token)
}

// Allow sets what a user may do, in place of what the user might do before. A
// service account (see ServiceAccountUser) exists once it was allowed
// something, if only nothing: then tokens can be asked for it.
func (a *API) Allow(user string, rights ...Right) {
	set := map[Right]bool{}
	for _, r := range rights {
		set[r] = true
	}
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	a.tokens.rights[user] = set
}

func (t *tokens) add(token string, h holder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users[token] = h
}

// user returns who sent a request.
func (t *tokens) user(r *http.Request) (name string, ok bool) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	h, ok := t.users[token]
	return h.user, bearer && ok && (h.expires.IsZero() || time.Now().Before(h.expires))
}

// known tells whether a request may be looked at.
func (t *tokens) known(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.user(r)
	return ok || !t.required
}

// authorize returns a Status 403 when the request's user lacks a right.
func (t *tokens) authorize(r *http.Request, right Right, namespace, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	user, _ := t.user(r)
	if !t.required || t.rights[user][right] {
		return nil
	}
	verb, resource, _ := strings.Cut(string(right), " ")
	where := "at the cluster scope"
	if namespace != "" {
		where = fmt.Sprintf("in the namespace %q", namespace)
	}
	base, _, _ := strings.Cut(resource, "/")
	return apierrors.NewForbidden(schema.GroupResource{Resource: base}, name,
		fmt.Errorf("User %q cannot %s resource %q in API group \"\" %s", user, verb, resource, where))
}

// exists tells whether a service account is there.
func (t *tokens) exists(user string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.required || t.rights[user] != nil
}

// serveToken issues a token for a service account.
func (a *API) serveToken(w http.ResponseWriter, r *http.Request) {
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	if err := a.tokens.authorize(r, CreateTokens, namespace, name); err != nil {
		a.fail(w, r, err)
		return
	}
	user := ServiceAccountUser(namespace, name)
	if !a.tokens.exists(user) {
		a.fail(w, r, apierrors.NewNotFound(corev1.Resource("serviceaccounts"), name))
		return
	}
	req, err := a.tokenRequest(w, r)
	if err != nil {
		a.fail(w, r, apierrors.NewBadRequest(err.Error()))
		return
	}
	life := time.Duration(*req.Spec.ExpirationSeconds) * time.Second
	expires := time.Now().Add(life)
	token := newToken(user, req.Spec.Audiences, expires)
	a.tokens.add(token, holder{user, expires})
	req.Namespace, req.Name = namespace, name
	req.Status = authv1.TokenRequestStatus{Token: token, ExpirationTimestamp: metav1.NewTime(expires)}
	a.answer(w, r, http.StatusCreated, req)
}

// tokenRequest reads the body of a request for a token.
func (a *API) tokenRequest(w http.ResponseWriter, r *http.Request) (*authv1.TokenRequest, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	req := &authv1.TokenRequest{}
	if len(body) > 0 {
		kind := authv1.SchemeGroupVersion.WithKind("TokenRequest")
		obj, _, err := a.media.codecs.UniversalDeserializer().Decode(body, &kind, nil)
		if err != nil {
			return nil, fmt.Errorf("decode the request: %w", err)
		}
		var ok bool
		if req, ok = obj.(*authv1.TokenRequest); !ok {
			return nil, fmt.Errorf("decode the request: want a TokenRequest, have a %T", obj)
		}
	}
	seconds := int64(defaultTokenLife / time.Second)
	if req.Spec.ExpirationSeconds == nil {
		req.Spec.ExpirationSeconds = &seconds
	}
	switch s := *req.Spec.ExpirationSeconds; {
	case s < int64(minTokenLife/time.Second):
		return nil, errors.New("spec.expirationSeconds: may not specify a duration less than 10 minutes")
	case s > 1<<32:
		return nil, errors.New("spec.expirationSeconds: may not specify a duration larger than 2^32 seconds")
	}
	return req, nil
}

// newToken makes a token of the shape that a real server issues: claims that a
// client may read, and a signature that only the server can make.
func newToken(user string, audiences []string, expires time.Time) string {
	part := func(v any) string {
		b, _ := json.Marshal(v) // maps of strings and numbers always marshal
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(map[string]string{"alg": "RS256", "kid": "simnode"}) + "." +
		part(map[string]any{
			"iss": "https://kubernetes.default.svc", "sub": user, "aud": audiences,
			"iat": time.Now().Unix(), "exp": expires.Unix(),
		}) + "." + randomHex(32)
}
