package k8s

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podjoule/podjoule/simnode"
)

// What a command does wrong is told without what it printed.
func TestBadCommand(t *testing.T) {
	f := func(name, script string, want ...string) {
		t.Run(name, func(t *testing.T) {
			s := newSpy(t, &tls.Config{})
			command, _ := credentialPlugin(t, script)
			wantError(t, ask(t, inContext(kubeconfigOf(t, clusterOf(s), execUser(command)))), append(want, "check the user in the kubeconfig")...)
			if n := len(s.asked()); n != 0 {
				t.Errorf("%d requests without credentials", n)
			}
		})
	}
	f("it fails", "exit 3", "exit code 3")
	f("no JSON", "echo hunter2", "printed no ExecCredential")
	f("no kind", `echo '{"status": {"token": "hunter2"}}'`, "plugin returned version")
	f("a kind that is none", `echo '{"kind": "", "status": {"token": "hunter2"}, "apiVersion": ""}'`, "the command of the kubeconfig")
	f("no token", execCredential(`{}`), "didn't return a token")
	t.Run("absent", func(t *testing.T) {
		s := newSpy(t, &tls.Config{})
		wantError(t, ask(t, inContext(kubeconfigOf(t, clusterOf(s), execUser("/nonexistent/login")))), "/nonexistent/login")
	})
}

// A command that does not end holds up nobody, and is not started again and again.
func TestCommandThatHangs(t *testing.T) {
	s := newSpy(t, &tls.Config{})
	command, runs := credentialPlugin(t, `while [ -e "$0" ]; do sleep 0.1; done`) // until the test ends
	l, err := openLister(t, inContext(kubeconfigOf(t, clusterOf(s), execUser(command))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := l.list(ctx)
		done <- err
	}()
	eventually(t, "the command", func() bool { _, err := os.Stat(runs); return err == nil })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	e := l.(*server).http.Transport.(*gate).own.(*execTransport)
	e.limit = 20 * time.Millisecond
	for range 4 {
		_, err := l.list(t.Context())
		wantError(t, err, "does not end")
	}
	if n := len(e.waiting); n != 2 {
		t.Errorf("%d requests wait for the command, want 2", n)
	}
	if text, err := os.ReadFile(runs); err != nil || string(text) != "run\n" {
		t.Errorf("the command ran %q, %v: want once", text, err)
	}
}

// A8: a token of a command that the server refuses is asked for again.
func TestCommandWithARotatedToken(t *testing.T) {
	s := newSpy(t, &tls.Config{})
	user := simnode.ServiceAccountUser("podjoule", "podjoule")
	s.api.RequireTokens()
	s.api.Allow(user, simnode.ListPods)
	s.api.AddToken("hunter-2", user)
	command, _ := credentialPlugin(t, `n=$(wc -l < "$RUNS"); `+strings.Replace(execCredential(`{"token": "hunter-N"}`), "N\"", `'$n'"`, 1))
	text, err := os.ReadFile(command)
	if err != nil {
		t.Fatal(err)
	}
	runs := strings.Split(string(text), "'")[1]
	t.Setenv("RUNS", runs)
	l, err := openLister(t, inContext(kubeconfigOf(t, clusterOf(s), execUser(command))))
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.list(t.Context())
	wantError(t, err, "status 401")
	if _, err := l.list(t.Context()); err != nil {
		t.Errorf("with the second token: %v", err)
	}
}
