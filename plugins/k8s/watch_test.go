package k8s

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
	"github.com/podjoule/podjoule/token"
)

// A name is there with its pod, and what was there is not asked for again: one
// request for any number of pods that come and go.
func TestWatchCostsOneRequest(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	r.run(template("shop", "first"))
	r.start()
	r.firstList(t)
	var want []string
	for i := range 50 {
		p := simnode.NewPod(template("shop", fmt.Sprint("web-", i)))
		r.api.Put(p)
		eventually(t, "the pod's name", func() bool { return r.discovery.current.Load().find(string(p.UID)) != nil })
		r.cgroup(p)
		want = []string{"shop/first", "shop/" + p.Name}
		if diff := cmp.Diff(want, names(r.tick())); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
		if err := r.api.Delete(p.Namespace, p.Name); err != nil {
			t.Fatal(err)
		}
		if err := r.tree.RemovePod(string(p.UID)); err != nil {
			t.Fatal(err)
		}
		r.tick() // may hold the pod's last moments
	}
	if got := r.host.Counter(t, "podjoule.k8s.discovery", attribute.String("mode", modeWatch)); got != 1 {
		t.Errorf("the mode is watch: %d, want 1", got)
	}
	if n := len(r.api.Requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// A watch that ends, for whatever reason, is begun again, and what happened
// meanwhile is made up for.
func TestWatchIsBegunAgain(t *testing.T) {
	f := func(name string, disturb func(*simnode.API)) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, simnode.Layout{Version: simnode.V2})
			p := r.run(template("shop", "old"))
			r.start()
			r.firstList(t)
			for i := range 3 {
				disturb(r.api)
				if err := r.api.Delete("shop", p.Name); err != nil {
					t.Fatal(err)
				}
				p = r.run(template("shop", fmt.Sprint("new-", i)))
				eventually(t, "the new pod's name and the old one's end", func() bool {
					r.discovery.mu.Lock()
					defer r.discovery.mu.Unlock()
					return r.discovery.live[string(p.UID)] != nil && len(r.discovery.live) == 1
				})
			}
			// Ready speaks of the cuts for a minute more: see TestEveryTrouble.
			eventually(t, "recovery", func() bool { return r.discovery.current.Load().err == nil })
		})
	}
	f("cut", func(a *simnode.API) { a.CutWatches() })
	f("version forgotten", func(a *simnode.API) {
		a.Compact()
		a.CutWatches()
	})
	f("server in trouble", func(a *simnode.API) {
		a.Inject(1, a.AnswerStatus(http.StatusInternalServerError, 0))
		a.CutWatches()
	})
}

// Older servers do not stream their lists: the pods are listed once, and watched.
func TestWatchWithoutStreamedLists(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	r.run(template("shop", "web"))
	r.api.Inject(1, func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		if q.URL.Query().Has("sendInitialEvents") {
			r.api.AnswerStatus(http.StatusUnprocessableEntity, 0)(w, q, next)
			return
		}
		next.ServeHTTP(w, q)
	})
	r.start()
	r.firstList(t)
	if diff := cmp.Diff([]string{"shop/web"}, names(r.tick())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	eventually(t, "a watch", func() bool { return r.api.Count(simnode.Request.Watch) == 2 })
	if n := r.lists(); n != 1 {
		t.Errorf("%d lists, want 1", n)
	}
}

// What stands between may hold a watch back until it is whole, which it never is. The
// pods are polled then.
func TestWatchThatIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, false)
		one := template("shop", "web")
		one.Node = node
		p := simnode.NewPod(one)
		b.api.Put(p)
		b.fault = func(w http.ResponseWriter, q *http.Request, next http.Handler) {
			if q.URL.Query().Has("watch") {
				simnode.AnswerNever(w, q, next)
				return
			}
			next.ServeHTTP(w, q)
		}
		c, host := defaults(), plugintest.NewHost(t)
		b.configure(modeWatch)(c)
		host.Dial = b.dial
		s, err := newServer(c, node, new(choice), token.New(c.Token), host.Host)
		if err != nil {
			t.Fatal(err)
		}
		d := newDiscovery(modeWatch, nil, time.Millisecond)
		d.server = s
		if err := newFollower(d).attempt(t.Context()); !errors.Is(err, errListOnly) || !errors.Is(err, errNoAnswer) {
			t.Errorf("error %v, want that the pods are polled since no answer came", err)
		}
		if d.current.Load().find(string(p.UID)) == nil {
			t.Error("the pod that was listed is not known")
		}
	})
}

// With the right to list but not to watch, the pods are polled, and Ready says why.
func TestWithoutTheRightToWatch(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	r.run(template("shop", "web"))
	r.api.RequireTokens()
	user := simnode.ServiceAccountUser("podjoule", "podjoule")
	r.api.Allow(user, simnode.ListPods)
	r.api.AddToken("secret", user)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start(func(c *Config) { c.Token = token.Config{Strategy: token.File, File: file} })
	for i := range 3 {
		p := r.run(template("shop", fmt.Sprint("new-", i)))
		eventually(t, "the new pod's name", func() bool {
			r.tick()
			return r.discovery.current.Load().find(string(p.UID)) != nil
		})
	}
	eventually(t, "the reason", func() bool { return r.Ready() != nil })
	for _, word := range []string{"polled instead of watched", "status 403", `cannot watch resource "pods"`, "list and watch"} {
		if err := r.Ready(); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error %v, want %q in it", err, word)
		}
	}
	if got := r.host.Counter(t, "podjoule.k8s.discovery", attribute.String("mode", modePoll)); got != 1 {
		t.Errorf("the mode is poll: %d, want 1", got)
	}
	refused := r.api.Count(func(q simnode.Request) bool { return q.Watch() && q.Status == http.StatusForbidden })
	if refused != 2 {
		t.Errorf("%d watches, want one that streams the list and one that does not", refused)
	}
}

// A watch that says nothing for too long is ended; each event gives it more time.
func TestSilentWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := watch.NewFake()
		var told error
		w := supervise(t.Context(), inner, prelude, func(err error) bool { told = err; return false })
		time.Sleep(prelude - time.Second)
		go inner.Add(nil)
		if _, ok := <-w.ResultChan(); !ok {
			t.Fatal("ended within its first time")
		}
		for range 3 {
			time.Sleep(silence - time.Second)
			go inner.Add(nil)
			if event, ok := <-w.ResultChan(); !ok || event.Type != watch.Added {
				t.Fatalf("got %v, %v, want an event", event, ok)
			}
		}
		begin := time.Now()
		if _, ok := <-w.ResultChan(); ok || time.Since(begin) != silence {
			t.Errorf("ended after %v: %t, want after %v", time.Since(begin), !ok, silence)
		}
		if told == nil || !strings.Contains(told.Error(), "said nothing") {
			t.Errorf("told %v", told)
		}
		w.Stop()
		synctest.Wait()
	})
}

// A pod that was deleted is known for two minutes more, and then forgotten.
func TestDeletedPodIsKnownOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		web, other := &pod{uid: "web"}, &pod{uid: "other"}
		b.put(web)
		b.remove(web)
		time.Sleep(goneFor)
		if b.put(other); b.current.Load().find("web") != web {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Second)
		if b.put(other); b.current.Load().find("web") != nil || len(b.gone) != 0 {
			t.Error("not forgotten")
		}
	})
}

// What is not known is only known to be so while nothing can be missed.
func TestOnlyAWholeBookConfirms(t *testing.T) {
	b := newBook()
	confirmed := func() bool {
		now := time.Now()
		b.confirm(now)
		return b.current.Load().asked.Equal(now)
	}
	if confirmed() {
		t.Error("before the first answer")
	}
	b.replace(nil, time.Now())
	if !confirmed() {
		t.Error("not after an answer")
	}
	asked := b.current.Load().asked
	p := &pod{uid: "web"}
	b.put(p)
	b.remove(p)
	if got := b.current.Load().asked; !got.Equal(asked) {
		t.Errorf("what happens to one pod confirms all others as of %v", got)
	}
	b.interrupt()
	if confirmed() {
		t.Error("after the end of the watch")
	}
	before := time.Now()
	b.resume()
	if b.confirm(before); b.current.Load().asked.Equal(before) {
		t.Error("as of a time before the watch went on")
	}
	if !confirmed() {
		t.Error("not after the watch goes on")
	}
	b.replace(nil, time.Now())
	b.fail(errNoAnswer, time.Now())
	if confirmed() || b.current.Load().err == nil {
		t.Error("after an error")
	}
}

// A bookmark is an answer too: it tells that nothing is new.
func TestLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiscovery(modeWatch, &server{node: node}, time.Second)
		d.server = d.lister.(*server)
		f := newFollower(d)
		if !d.lastAnswer().IsZero() {
			t.Error("answered before anybody was asked")
		}
		for name, tell := range map[string]func() error{
			"all pods": func() error { return f.Replace(nil, "1") },
			"a pod":    func() error { return f.Add(object(t, simnode.NewPod(simnode.PodTemplate{Node: node}))) },
			"an end":   func() error { return f.Delete(object(t, simnode.NewPod(simnode.PodTemplate{Node: node}))) },
			"bookmark": func() error { return f.Bookmark("2") },
		} {
			time.Sleep(time.Minute)
			if err := tell(); err != nil || !d.lastAnswer().Equal(time.Now()) {
				t.Errorf("%s: %v, answered %v ago", name, err, time.Since(d.lastAnswer()))
			}
		}
	})
}

// The error of a server that is away is the same each time, so that it is logged once.
func TestErrorOfAnAbsentServer(t *testing.T) {
	api := simnode.NewAPI()
	url, err := api.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ := start(t, func(c *Config) {
		c.APIURL, c.CgroupRoot = url, newTree(t, simnode.Layout{Version: simnode.V2}).Root()
	})
	first, asked := s.firstError(t), s.discovery.current.Load().asked
	eventually(t, "another attempt", func() bool { return s.discovery.current.Load().asked.After(asked) })
	again := s.discovery.current.Load().err
	if first == nil || again == nil || again.Error() != first.Error() || !strings.Contains(first.Error(), "is it running there?") {
		t.Errorf("error %v, then %v, want the same with a remedy", first, again)
	}
}
