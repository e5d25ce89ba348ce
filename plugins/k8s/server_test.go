package k8s

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/simnode"
	"github.com/podjoule/podjoule/token"
)

// firstError returns what the first list of the pods failed with.
func (s *source) firstError(t *testing.T) error {
	t.Helper()
	s.firstList(t)
	return s.discovery.current.Load().err
}

// withToken starts the plugin on an empty node, with its token in a file.
func withToken(t *testing.T, url, file string) *source {
	t.Helper()
	s, _ := start(t, func(c *Config) {
		c.APIURL, c.CgroupRoot = url, newTree(t, simnode.Layout{Version: simnode.V2}).Root()
		c.Token = token.Config{Strategy: token.File, File: file}
	})
	return s
}

// withFault starts the plugin on a node with one pod whose API server answers
// all requests with a fault.
func withFault(t *testing.T, fault func(*simnode.API) simnode.Fault, change ...func(*Config)) *rig {
	t.Helper()
	api, url := newAPI(t)
	tree := newTree(t, simnode.Layout{Version: simnode.V2})
	p := simnode.NewPod(template("shop", "web"))
	api.Put(p)
	if err := tree.AddPod(p); err != nil {
		t.Fatal(err)
	}
	api.Inject(1000, fault(api))
	r := &rig{t: t, api: api, url: url, tree: tree, end: time.Now()}
	r.start(change...)
	return r
}

// A8: whatever the server answers, the error says what it was and what helps,
// pods are measured on, and names come as soon as the server mends.
func TestBadAnswers(t *testing.T) {
	f := func(name string, fault func(*simnode.API) simnode.Fault, want ...string) {
		for _, mode := range []string{modeWatch, modePoll} {
			t.Run(mode+"/"+name, func(t *testing.T) {
				r := withFault(t, fault, func(c *Config) { c.Discovery = mode })
				err := r.firstError(t)
				for _, w := range append(want, " the pods of node "+node, r.url) {
					if err == nil || !strings.Contains(err.Error(), w) {
						t.Errorf("error %v, want %q in it", err, w)
					}
				}
				r.tick()
				if b := r.tick(); len(b.Samples) == 0 {
					t.Error("nothing is measured")
				}
				r.api.ClearFaults()
				eventually(t, "recovery", func() bool { return r.Ready() == nil })
				if diff := cmp.Diff([]string{"shop/web"}, names(r.tick())); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		}
	}
	status := func(code int) func(*simnode.API) simnode.Fault {
		return func(a *simnode.API) simnode.Fault { return a.AnswerStatus(code, 0) }
	}
	always := func(fault simnode.Fault) func(*simnode.API) simnode.Fault {
		return func(*simnode.API) simnode.Fault { return fault }
	}
	f("401", status(http.StatusUnauthorized), "status 401", "token")
	f("403", status(http.StatusForbidden), "status 403", "list and watch", "pods")
	f("404", status(http.StatusNotFound), "status 404", "k8s_api_url")
	f("429", status(http.StatusTooManyRequests), "status 429")
	f("500", status(http.StatusInternalServerError), "status 500")
	f("503", status(http.StatusServiceUnavailable), "status 503")
	f("half an answer", always(simnode.AnswerHalf), "EOF")
	f("garbage", always(simnode.AnswerGarbage))
}

// What stands between the API server and the agent may drop the header that says
// what the answer is.
func TestAnswerWithoutItsContentType(t *testing.T) {
	for _, contentType := range []string{"", "text/plain; charset=utf-8", "application/octet-stream"} {
		api := simnode.NewAPI()
		p := simnode.NewPod(template("shop", "web"))
		api.Put(p)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Accept", "application/json")
			recorded := httptest.NewRecorder()
			api.ServeHTTP(recorded, r)
			w.Header()["Content-Type"] = nil // keeps the server from guessing
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			w.WriteHeader(recorded.Code)
			_, _ = w.Write(recorded.Body.Bytes())
		}))
		defer server.Close()
		s, _ := start(t, polling, func(c *Config) {
			c.APIURL, c.CgroupRoot = server.URL, newTree(t, simnode.Layout{Version: simnode.V2}).Root()
		})
		if err := s.firstError(t); err != nil {
			t.Errorf("%q: %v", contentType, err)
		}
		if s.discovery.current.Load().find(string(p.UID)) == nil {
			t.Errorf("%q: the pod is not known", contentType)
		}
	}
}

// The 403 of a real server names the verb and the resource; so does ours.
func TestForbiddenNamesTheRight(t *testing.T) {
	api, url := newAPI(t)
	api.RequireTokens()
	api.AddToken("weak", simnode.ServiceAccountUser("podjoule", "podjoule"))
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("weak\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := withToken(t, url, file)
	err := s.firstError(t)
	for _, want := range []string{"status 403", "pods is forbidden", "list", "system:serviceaccount:podjoule:podjoule"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

// A8: a token that is refused is read again at once, and the new one is used.
func TestRotatedTokenAfter401(t *testing.T) {
	api, url := newAPI(t)
	user := simnode.ServiceAccountUser("podjoule", "podjoule")
	api.RequireTokens()
	api.Allow(user, simnode.ListPods, simnode.WatchPods)
	api.AddToken("first-secret", user)
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("  first-secret\n")
	s := withToken(t, url, file)
	if err := s.firstError(t); err != nil {
		t.Fatalf("with the first token: %v", err)
	}
	api.RevokeToken("first-secret")
	api.AddToken("second-secret", user)
	write("second-secret\n")
	if _, err := s.discovery.server.list(t.Context()); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	api.RevokeToken("second-secret")
	_, err := s.discovery.server.list(t.Context())
	if err == nil || !strings.Contains(err.Error(), "status 401") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, want a 401 that does not tell the token", err)
	}
}

func TestUnreadableToken(t *testing.T) {
	api, url := newAPI(t)
	api.RequireTokens()
	missing := filepath.Join(t.TempDir(), "absent")
	s := withToken(t, url, missing)
	if err := s.firstError(t); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error %v, want it to name %s", err, missing)
	}
}

// A7: the server's certificate is verified, and no token goes to one that
// cannot show who it is.
func TestCertificateIsVerified(t *testing.T) {
	api := simnode.NewAPI()
	url, err := api.ListenTLS()
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	api.RequireTokens()
	user := simnode.ServiceAccountUser("podjoule", "podjoule")
	api.Allow(user, simnode.ListPods)
	api.AddToken("secret", user)
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := simnode.NewAPI()
	if _, err := other.ListenTLS(); err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tokenFile := write("token", []byte("secret"))
	rightCA, wrongCA := write("right.crt", api.CA()), write("wrong.crt", other.CA())

	f := func(name string, change func(*Config), wantErr string) {
		t.Run(name, func(t *testing.T) {
			before := len(api.Requests())
			s, _ := start(t, func(c *Config) {
				c.APIURL, c.CgroupRoot = url, newTree(t, simnode.Layout{Version: simnode.V2}).Root()
				c.Token = token.Config{Strategy: token.File, File: tokenFile}
				change(c)
			})
			err := s.firstError(t)
			if wantErr == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), wantErr) {
				t.Errorf("error %v, want %q", err, wantErr)
			}
			if n := len(api.Requests()) - before; n != 0 {
				t.Errorf("%d requests reached a server that was not verified", n)
			}
		})
	}
	f("right CA", func(c *Config) { c.CAFile = rightCA }, "")
	f("wrong CA", func(c *Config) { c.CAFile = wrongCA }, "set ca_file to the certificate")
	f("no CA", func(*Config) {}, "set ca_file to the certificate")
	f("not verified on demand", func(c *Config) { c.InsecureSkipVerify = true }, "")
}

func TestValidateNamesTheKey(t *testing.T) {
	f := func(key string, change func(*Config), want string) {
		t.Helper()
		c := defaults()
		change(c)
		err := c.Validate()
		var keyErr *plugin.KeyError
		if !errors.As(err, &keyErr) || keyErr.Key != key || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", key, err, want)
		}
	}
	f("poll_interval", func(c *Config) { c.Interval = -1 }, "at least")
	f("poll_interval", func(c *Config) { c.Interval = 0 }, "at least")
	f("pod_refresh_interval", func(c *Config) { c.RefreshInterval = 0 }, "at least")
	f("k8s_api_url", func(c *Config) { c.APIURL = "" }, "want a URL")
	f("k8s_api_url", func(c *Config) { c.APIURL = "127.0.0.1:8080" }, "want a URL")
	f("k8s_api_url", func(c *Config) { c.APIURL = "ftp://host" }, "want a URL")
	f("k8s_api_url", func(c *Config) { c.APIURL = "https://me:secret@host" }, "token_retrieval")
	f("k8s_api_url", func(c *Config) { c.APIURL = "http://10.0.0.1:8080" }, "allow_insecure_token")
	f("kubelet_url", func(c *Config) { c.KubeletURL = "http://10.0.0.1:10255" }, "allow_insecure_token")
	f("metrics", func(c *Config) { c.MetricGroups = nil }, "empty")
	f("metrics", func(c *Config) { c.MetricGroups = []string{"cpu", "gpu"} }, `"gpu"`)
	f("insecure_skip_verify", func(c *Config) { c.InsecureSkipVerify, c.CAFile = true, "x" }, "ca_file")
	if err := defaults().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if err := func() error { c := defaults(); c.APIURL = "https://me:secret@host"; return c.Validate() }(); strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password: %v", err)
	}
}

func TestOpenNeedsACgroupTree(t *testing.T) {
	c := defaults()
	c.CgroupRoot = filepath.Join(t.TempDir(), "absent")
	_, err := c.Open(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), c.CgroupRoot) || !strings.Contains(err.Error(), "cgroup_root") {
		t.Errorf("error %v, want the folder and the key", err)
	}
}
