package token_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/token"
)

// hanging never ends, and starts a child that holds the pipe named "held" open
// for as long as it lives.
const hanging = `sleep 1000000 >held &
echo waiting >&2
wait
`

// held makes the pipe and returns a channel that is closed when a process has
// opened it, and one that is closed when none has it open any more.
func held(t *testing.T, dir string) (opened, closed chan struct{}) {
	t.Helper()
	path := filepath.Join(dir, "held")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	opened, closed = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(closed)
		pipe, err := os.Open(path) // blocks until the child opens its end
		close(opened)
		if err != nil {
			t.Error(err)
			return
		}
		defer pipe.Close()
		if _, err := io.Copy(io.Discard, pipe); err != nil { // ends with the child
			t.Error(err)
		}
	}()
	return opened, closed
}

func TestKubectlHangs(t *testing.T) {
	dir := kubectl(t, hanging)
	_, closed := held(t, dir)
	source := token.New(token.Config{Strategy: token.Kubectl})
	source.Limit(time.Second)
	_, err := source.Token(t.Context())
	wantError(t, err, "no answer within 1s, killed")
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v: looks as if the caller's time were up", err)
	}
	// A slow machine may not have got as far as the child: let the reader go.
	pipe, err := os.OpenFile(filepath.Join(dir, "held"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	pipe.Close()
	<-closed
}

func TestKubectlCancelled(t *testing.T) {
	dir := kubectl(t, hanging)
	opened, closed := held(t, dir)
	source := token.New(token.Config{Strategy: token.Kubectl})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-opened
		cancel()
	}()
	_, err := source.Token(ctx)
	wantError(t, err, "kubectl create token")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is no context.Canceled", err)
	}
	<-closed // the child of kubectl is gone too

	// That says nothing about kubectl: others may try at once.
	rewrite(t, dir, "echo opaque")
	wantToken(t, source, "opaque")
	want := token.Stats{Retrievals: 1}
	if got := source.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A login helper that goes on in the background keeps the output open.
func TestKubectlLeavesHelper(t *testing.T) {
	dir := kubectl(t, "sleep 1000000 &\necho $! >helper\necho opaque")
	wantToken(t, token.New(token.Config{Strategy: token.Kubectl}), "opaque")
	helper, err := os.ReadFile(filepath.Join(dir, "helper"))
	if err != nil {
		t.Fatal(err)
	}
	kill(t, strings.TrimSpace(string(helper)))
}

func TestKubectlOneAtATime(t *testing.T) {
	dir := kubectl(t, `mkdir running || echo overlap >>overlaps
cat gate >/dev/null
rmdir running
`+counting)
	gate := filepath.Join(dir, "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	source := token.New(token.Config{Strategy: token.Kubectl})
	many := func(call func()) (wait func()) {
		var started, done sync.WaitGroup
		for range 50 {
			started.Add(1)
			done.Go(func() {
				started.Done()
				call()
			})
		}
		started.Wait()
		return done.Wait
	}
	wait := many(func() { wantToken(t, source, "token-1") })
	write(t, gate, "go\n") // blocks until kubectl reads
	wait()
	wantRuns(t, dir, 1)

	// 50 refusals of one token are one refusal.
	many(func() { source.Refuse("token-1") })()
	rewrite(t, dir, counting)
	many(func() {
		wantToken(t, source, "token-2")
		source.Refuse("token-1")
	})()
	wantRuns(t, dir, 2)
	if _, err := os.Stat(filepath.Join(dir, "overlaps")); err == nil {
		t.Error("two ran at the same time")
	}
	want := token.Stats{Retrievals: 2, Renewals: 1}
	if got := source.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A caller that waits for another one's kubectl leaves when its context ends.
func TestKubectlWaiterLeaves(t *testing.T) {
	dir := kubectl(t, hanging)
	opened, closed := held(t, dir)
	source := token.New(token.Config{Strategy: token.Kubectl})
	first, cancelFirst := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _, _ = source.Token(first) })
	<-opened
	second, cancelSecond := context.WithCancel(t.Context())
	cancelSecond()
	_, err := source.Token(second)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	cancelFirst()
	done.Wait()
	<-closed
	wantRuns(t, dir, 1)
}

// While one call renews a token, the others go on with the old one.
func TestKubectlRenewalKeepsNobodyWaiting(t *testing.T) {
	dir := kubectl(t, counting)
	synctest.Test(t, func(t *testing.T) {
		source := token.New(token.Config{Strategy: token.Kubectl})
		wantToken(t, source, "token-1")
		time.Sleep(10 * time.Minute)
		rewrite(t, dir, hanging)
		opened, closed := held(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { _, _ = source.Token(ctx) })
		<-opened
		wantToken(t, source, "token-1")
		cancel()
		done.Wait()
		<-closed
	})
	wantRuns(t, dir, 2)
}
