package k8s

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/simnode"
	"github.com/podjoule/podjoule/token"
)

// kubectl puts a script in kubectl's place, and returns the folder in which it runs. Each run
// is a line in the file "runs" there.
func kubectl(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	script = "#!/bin/sh\ncd '" + dir + "'\necho run >>runs\n" + script
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func kubectlRuns(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "runs"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

// hourly is what a script prints as its nth token: a JWT that lives an hour.
func hourly(n int) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"iat":1000,"exp":4600}`)) + ".secret" + fmt.Sprint(n)
}

func kubectlHourly() string {
	return "echo " + strings.TrimSuffix(hourly(1), "1") + "$(wc -l <runs)\n"
}

func withKubectl(c *Config) { c.Token = token.Config{Strategy: token.Kubectl} }

// In steady state nobody asks for anything: no list, no kubectl, and a watch only when the
// time of the one before is over, which is 5 to 10 minutes.
func TestSteadyState(t *testing.T) {
	for _, mode := range []string{modeWatch, modePoll, modeKubelet} {
		t.Run(mode, func(t *testing.T) {
			dir := kubectl(t, kubectlHourly())
			synctest.Test(t, func(t *testing.T) {
				s := settled(t, mode, withKubectl)
				runs := kubectlRuns(t, dir)
				s.live(5*time.Minute, nil)
				asked, watches := s.b.requests()
				if lists, more := len(asked)-watches, kubectlRuns(t, dir)-runs; lists != 0 || watches > 1 || more != 0 {
					t.Errorf("in 5 minutes: %d lists, %d watches and %d runs of kubectl; want none, 1 at most and none", lists, watches, more)
				}
				s.live(55*time.Minute, nil)
				asked, watches = s.b.requests()
				least, most := 6, 12 // and an end that falls on the edge
				if mode != modeWatch {
					least, most = 0, 0
				}
				if lists := len(asked) - watches; lists != 0 || watches < least-1 || watches > most {
					t.Errorf("in an hour: %d lists and %d watches; want none and %d to %d", lists, watches, least, most)
				}
				if err := s.Ready(); err != nil || runs == 0 {
					t.Errorf("Ready: %v, %d runs of kubectl at the start", err, runs)
				}
			})
		})
	}
}

// settled is a node whose pods are named, and whose server forgets what it was asked so far.
func settled(t *testing.T, mode string, change ...func(*Config)) *sufferer {
	t.Helper()
	b := newBubble(t, false)
	for n := range 20 {
		b.api.AddToken(hourly(n), b.user)
	}
	s := &sufferer{
		// In a bubble reading takes no time: a window ends a moment before it is looked at.
		rig: &rig{t: t, api: b.api, tree: newTree(t, simnode.Layout{Version: simnode.V2}), end: time.Now().Add(-time.Millisecond), dial: b.dial},
		b:   b, booked: make(ledger), spent: make(map[string]uint64),
	}
	s.pods = append(s.pods, s.run(template("shop", "web")))
	s.start(append([]func(*Config){b.configure(mode)}, change...)...)
	s.booked.add(t, s.tick())
	s.within(20*time.Second, "the pod's name", s.named)
	s.live(time.Minute, nil)
	b.forgetRequests()
	return s
}

// A token from kubectl is renewed before it ends: the server never has to refuse one.
func TestKubectlTokenNeverEnds(t *testing.T) {
	dir := kubectl(t, kubectlHourly())
	synctest.Test(t, func(t *testing.T) {
		s := settled(t, modeWatch, withKubectl)
		refused := func(q simnode.Request) bool { return q.Status == http.StatusUnauthorized }
		before := s.api.Count(refused) // a server on this machine is asked without a token at first
		known := 0
		for range 6 * 60 {
			s.live(time.Minute, nil)
			if runs := kubectlRuns(t, dir); runs > known {
				known = runs
				born := time.Now()
				go func() {
					select {
					case <-time.After(time.Until(born.Add(58 * time.Minute))):
						s.api.RevokeToken(hourly(runs))
					case <-t.Context().Done():
					}
				}()
			}
		}
		if n := s.api.Count(refused) - before; n != 0 {
			t.Errorf("%d tokens were refused", n)
		}
		// One at the start, and one after 48 to 58 minutes, with the watch that begins then.
		if known < 6 || known > 8 {
			t.Errorf("%d runs of kubectl in 6 hours, want one about every 50 minutes", known)
		}
		if err := s.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// A token that was rotated in its file is used by the next request, without a refusal.
func TestRotatedTokenIsUsedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, false)
		s := &sufferer{
			rig: &rig{t: t, api: b.api, tree: newTree(t, simnode.Layout{Version: simnode.V2}), end: time.Now(), dial: b.dial},
			b:   b, booked: make(ledger), spent: make(map[string]uint64),
		}
		s.start(b.configure(modePoll))
		s.tick()
		refused := func(q simnode.Request) bool { return q.Status == http.StatusUnauthorized }
		s.live(time.Minute, nil)
		before := s.api.Count(refused)
		secret := firstSecret
		for i := range 5 {
			old := secret
			secret = fmt.Sprint("rotated-secret-", i)
			b.rotate(secret)
			s.live(time.Minute, nil)
			b.api.RevokeToken(old)
			s.pods = append(s.pods, s.run(template("shop", fmt.Sprint("pod-", i))))
			s.within(20*time.Second, "the new pod's name", s.named)
		}
		if n := s.api.Count(refused) - before; n != 0 {
			t.Errorf("%d requests were refused", n)
		}
	})
}

// While kubectl takes its time, pods are measured.
func TestKubectlIsNotOnTheMeasuringPath(t *testing.T) {
	dir := kubectl(t, "cat gate >/dev/null\necho "+firstSecret+"\n")
	gate := filepath.Join(dir, "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	r.api.RequireTokens()
	user := simnode.ServiceAccountUser("podjoule", "podjoule")
	r.api.Allow(user, simnode.ListPods, simnode.WatchPods)
	r.api.AddToken(firstSecret, user)
	p := r.run(template("shop", "web"))
	r.start(withKubectl)
	eventually(t, "kubectl at work", func() bool { return kubectlRuns(t, dir) == 1 })
	booked := make(ledger)
	booked.add(t, r.tick())
	for range 20 {
		r.spend(p, "main", time.Second, 0)
		booked.add(t, r.tick())
	}
	if len(names(r.tick())) > 1 || kubectlRuns(t, dir) != 1 {
		t.Errorf("%v are shown and kubectl ran %d times before it answered", names(r.tick()), kubectlRuns(t, dir))
	}
	writeFile(t, "go\n", gate) // blocks until kubectl reads
	eventually(t, "the pod's name", func() bool {
		booked.add(t, r.tick())
		return r.directory.find(string(p.UID)) != nil
	})
	booked.add(t, r.tick())
	if got := booked[ledgerKey("cpu_time_delta", string(p.UID), "", "total")]; got != 20e9 {
		t.Errorf("%d ns measured, want 20 s", got)
	}
}
