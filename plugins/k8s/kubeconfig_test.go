package k8s

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kubeconfigOf writes a kubeconfig with the context "right" of a server and a user, in
// YAML's flow style, and the current context "wrong", whose server is not there.
func kubeconfigOf(t testing.TB, cluster, user string) string {
	t.Helper()
	return fileWith(t, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: wrong
clusters: [{name: right, cluster: {%s}}, {name: wrong, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: right, user: {%s}}, {name: wrong, user: {}}]
contexts: [{name: right, context: {cluster: right, user: right}}, {name: wrong, context: {cluster: wrong, user: wrong}}]
`, cluster, user))
}

// clusterOf describes a server that speaks TLS.
func clusterOf(s *spy) string {
	return fmt.Sprintf("server: %q, certificate-authority-data: %s", s.URL, base64.StdEncoding.EncodeToString(certificateOf(s.Server)))
}

func inContext(file string) string {
	return fmt.Sprintf("pod_discovery = \"poll\"\nkubeconfig = %q\ncontext = \"right\"\n", file)
}

// credentialPlugin writes a command that prints a credential, and lists its runs.
func credentialPlugin(t *testing.T, printed string) (command, runs string) {
	t.Helper()
	runs = filepath.Join(t.TempDir(), "runs")
	command = fileWith(t, "#!/bin/sh\necho run >> '"+runs+"'\n"+printed+"\n")
	if err := os.Chmod(command, 0o700); err != nil {
		t.Fatal(err)
	}
	return command, runs
}

func execUser(command string) string {
	return fmt.Sprintf("exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, interactiveMode: IfAvailable}", command)
}

func execCredential(status string) string {
	return `printf '%s' '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": ` + status + `}'`
}

// Every kind of user of a kubeconfig arrives, from the context that is chosen.
func TestKubeconfig(t *testing.T) {
	client := newIdentity(t, "podjoule")
	command, runs := credentialPlugin(t, execCredential(`{"token": "hunter-exec"}`))
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	tests := []struct{ name, user, authorization, certificate string }{
		{"token", "token: hunter2", "Bearer hunter2", ""},
		{"tokenFile", fmt.Sprintf("tokenFile: %q", fileWith(t, "hunter3\n")), "Bearer hunter3", ""},
		{"password", "username: me, password: hunter2", "Basic bWU6aHVudGVyMg==", ""},
		{"client certificate", fmt.Sprintf("client-certificate-data: %s, client-key-data: %s", b64(client.cert), b64(client.key)), "", "podjoule"},
		{"files of a client certificate", fmt.Sprintf("client-certificate: %q, client-key: %q", fileWith(t, client.cert), fileWith(t, client.key)), "", "podjoule"},
		{"command", execUser(command), "Bearer hunter-exec", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSpy(t, &tls.Config{ClientAuth: tls.RequestClientCert})
			l, err := openLister(t, inContext(kubeconfigOf(t, clusterOf(s), tt.user)))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := l.list(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			r, certificate := s.last(t), ""
			if shown := r.TLS.PeerCertificates; len(shown) > 0 {
				certificate = shown[0].Subject.CommonName
			}
			if r.Header.Get("Authorization") != tt.authorization || certificate != tt.certificate || r.UserAgent() != "podjoule/1.2.3" {
				t.Errorf("Authorization %q and the certificate of %q from %q", r.Header.Get("Authorization"), certificate, r.UserAgent())
			}
		})
	}
	if text, err := os.ReadFile(runs); err != nil || string(text) != "run\n" {
		t.Errorf("the command ran %q, %v: want once", text, err)
	}
}

// The pods are watched with a kubeconfig, also through a proxy, and the kubelet is
// asked with its user.
func TestKubeconfigModes(t *testing.T) {
	s := newSpy(t, &tls.Config{})
	p := newConnectProxy(t, s.Server)
	cluster := strings.Replace(clusterOf(s), s.URL, "https://api.invalid:6443", 1) + fmt.Sprintf(", tls-server-name: example.com, proxy-url: %q", withUser(p.URL))
	file := kubeconfigOf(t, cluster, "token: hunter2")
	watched(t, strings.Replace(inContext(file), "poll", "watch", 1), s)
	if r := s.last(t); len(p.asked()) == 0 || r.Header.Get("Authorization") != "Bearer hunter2" {
		t.Errorf("%d requests through the proxy; Authorization %q", len(p.asked()), r.Header.Get("Authorization"))
	}
	kubelet := newSpy(t, &tls.Config{})
	file = kubeconfigOf(t, clusterOf(kubelet)+", tls-server-name: other.example", "token: hunter3")
	if err := ask(t, strings.Replace(inContext(file), "poll", "kubelet", 1)+fmt.Sprintf("kubelet_url = %q", kubelet.URL)); err != nil {
		t.Fatal(err)
	}
	if r := kubelet.last(t); r.URL.Path != "/pods" || r.Header.Get("Authorization") != "Bearer hunter3" {
		t.Errorf("asked for %s with Authorization %q", r.URL.Path, r.Header.Get("Authorization"))
	}
}

// The ~ in a path is the home of whoever runs the agent, and paths in the file are
// relative to it.
func TestKubeconfigAtHome(t *testing.T) {
	s := newSpy(t, &tls.Config{})
	home := filepath.Dir(kubeconfigOf(t, clusterOf(s), "tokenFile: token"))
	if err := os.WriteFile(filepath.Join(home, "token"), []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	if err := ask(t, inContext("~/file")); err != nil {
		t.Fatal(err)
	}
	if got := s.last(t).Header.Get("Authorization"); got != "Bearer hunter2" {
		t.Errorf("Authorization %q", got)
	}
	wantError(t, ask(t, inContext("~other/file")), "home of another user")
	t.Setenv("HOME", "")
	wantError(t, ask(t, inContext("~/file")), "write the path in full")
}

// A redirect to another server takes none of the user's credentials along.
func TestKubeconfigRedirect(t *testing.T) {
	client := newIdentity(t, "podjoule")
	command, _ := credentialPlugin(t, execCredential(`{"token": "hunter2"}`))
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, user := range map[string]string{
		"token": "token: hunter2", "password": "username: me, password: hunter2", "command": execUser(command),
		"client certificate": fmt.Sprintf("client-certificate-data: %s, client-key-data: %s", b64(client.cert), b64(client.key)),
	} {
		t.Run(name, func(t *testing.T) {
			goal := newSpy(t, &tls.Config{ClientAuth: tls.RequestClientCert})
			first := redirector(t, &tls.Config{ClientAuth: tls.RequestClientCert}, samePath(goal.URL))
			if err := ask(t, inContext(kubeconfigOf(t, clusterOf(first), user))); err != nil {
				t.Fatal(err)
			}
			if r := first.last(t); r.Header.Get("Authorization") == "" && len(r.TLS.PeerCertificates) == 0 {
				t.Error("the server itself got nothing")
			}
			if r := goal.last(t); r.Header.Get("Authorization") != "" || len(r.TLS.PeerCertificates) != 0 {
				t.Errorf("the other server got Authorization %q and %d certificates", r.Header.Get("Authorization"), len(r.TLS.PeerCertificates))
			}
		})
	}
}

// What is wrong with a kubeconfig is told with its path, a remedy, and no secret.
func TestBadKubeconfig(t *testing.T) {
	good := "server: \"https://127.0.0.1:1\""
	f := func(name, file string, want ...string) {
		t.Run(name, func(t *testing.T) { wantError(t, ask(t, inContext(file)), want...) })
	}
	f("absent", "/nonexistent/config", "/nonexistent/config")
	f("a folder", "/", "not a regular file")
	f("empty", fileWith(t, ""), `no context "right"`, "it has none")
	f("no YAML", fileWith(t, "users:\n- name: x\n  user: {token: hunter2"), "not a kubeconfig in YAML or JSON")
	f("another thing", fileWith(t, "users: hunter2\n"), "not a kubeconfig in YAML or JSON")
	f("a wrong type", kubeconfigOf(t, good, "token: [hunter2]"), "not a kubeconfig in YAML or JSON")
	f("no server", kubeconfigOf(t, "insecure-skip-tls-verify: true", "token: hunter2"), "no server")
	f("a password in the URL", kubeconfigOf(t, `server: "https://me:hunter2@x"`, ""), "password in its URL")
	f("a proxy that is none", kubeconfigOf(t, good+`, proxy-url: "me:hunter2@proxy"`, ""), "proxy-url is no URL")
	f("no such authority", kubeconfigOf(t, good+`, certificate-authority: /nonexistent/ca.crt`, ""), "/nonexistent/ca.crt")
	f("no such token file", kubeconfigOf(t, good, "tokenFile: /nonexistent/token"), "/nonexistent/token")
	f("half a certificate", kubeconfigOf(t, good, "client-certificate-data: aHVudGVyMg=="), "client-key")
	f("plain HTTP", kubeconfigOf(t, `server: "http://10.0.0.1"`, "token: hunter2"), "allow_insecure_token")
	f("plain HTTP without a scheme", kubeconfigOf(t, `server: "10.0.0.1:80"`, "token: hunter2"), "allow_insecure_token")
	f("no plug", kubeconfigOf(t, good, "auth-provider: {name: gcp}"), "gcp")
	t.Run("no context", func(t *testing.T) {
		file := kubeconfigOf(t, good, "")
		wantError(t, ask(t, fmt.Sprintf("kubeconfig = %q\ncontext = \"rihgt\"", file)), file, `no context "rihgt"`, "right, wrong")
		wantError(t, ask(t, fmt.Sprintf("kubeconfig = %q", fileWith(t, "contexts: [{name: one, context: {}}]"))), "has no current-context", "one")
	})
	t.Run("the user is refused", func(t *testing.T) {
		s := newSpy(t, &tls.Config{})
		s.api.RequireTokens()
		wantError(t, ask(t, inContext(kubeconfigOf(t, clusterOf(s), "token: hunter2"))), "status 401", "check the user in the kubeconfig")
	})
	t.Run("another authority", func(t *testing.T) {
		s := newSpy(t, &tls.Config{})
		wantError(t, ask(t, inContext(kubeconfigOf(t, fmt.Sprintf("server: %q", s.URL), "token: hunter2"))), "certificate-authority in the kubeconfig")
	})
}

// Whatever a kubeconfig holds, it is read or told.
func FuzzKubeconfig(f *testing.F) {
	for _, user := range []string{"token: x", "client-certificate-data: x", "exec: {command: x}"} {
		text, err := os.ReadFile(kubeconfigOf(f, `server: "https://127.0.0.1:1"`, user))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := readKubeconfig(&Config{Kubeconfig: file})
		if (config == nil) == (err == nil) {
			t.Errorf("%v beside %v", config, err)
		}
	})
}
