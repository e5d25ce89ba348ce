package k8s

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/simnode"
)

// trouble is something that befalls the API server, or the kubelet, for a while.
type trouble struct {
	name     string
	modes    []string // none: all
	secure   bool     // HTTPS
	fromHere bool     // from before the start on
	lasts    time.Duration
	begin    func(*bubble)
	each     func(*bubble) // second of it
	end      func(*bubble)
	// words are in what Ready says meanwhile: the thing and the remedy.
	words []string
	// well is how long it may take until Ready says so.
	well time.Duration
	// least is the shortest pause in the long run.
	least time.Duration
}

// recovery is how long after a trouble all is well again: the longest pause, and an eighth
// of it, a tick, and what the attempt takes.
const recovery = 75 * time.Second

// unwatched is the same where the watch has to be tried again: it is once in a while, and in
// vain if that began before the end.
const unwatched = withoutWatch*9/8 + prelude + silence + time.Minute

// faulty answers every request with a fault.
func faulty(name string, fault func(*bubble) simnode.Fault, words ...string) trouble {
	return trouble{
		name: name, lasts: time.Hour, words: words,
		begin: func(b *bubble) { b.set(func() { b.fault = fault(b) }); b.api.CutWatches() },
		end:   func(b *bubble) { b.set(func() { b.fault = nil }) },
	}
}

func answering(code, retryAfter int) func(*bubble) simnode.Fault {
	return func(b *bubble) simnode.Fault { return b.api.AnswerStatus(code, retryAfter) }
}

func troubles() []trouble {
	always := func(fault simnode.Fault) func(*bubble) simnode.Fault {
		return func(*bubble) simnode.Fault { return fault }
	}
	watching := []string{modeWatch}
	busy := faulty("429 with Retry-After", answering(http.StatusTooManyRequests, 45), "status 429", "it has too much to do")
	busy.least = 45 * time.Second
	return []trouble{
		{
			name: "absent at start", fromHere: true, lasts: 10 * time.Minute,
			begin: (*bubble).down, end: (*bubble).up, words: []string{"connection refused", "is it running there?"},
		},
		{
			name: "down for an hour", lasts: time.Hour,
			begin: (*bubble).down, end: (*bubble).up, words: []string{"connection refused", "is it running there?"},
		},
		faulty("answers take 30 s", always(slow), "no answer in time", "it was given 10s"),
		{
			name: "401", lasts: time.Hour,
			begin: func(b *bubble) { b.api.RevokeToken(firstSecret); b.api.CutWatches() },
			end:   func(b *bubble) { b.rotate("second-secret-0123456789") },
			words: []string{"status 401", "check token_retrieval"},
		},
		{
			name: "403", lasts: time.Hour,
			begin: func(b *bubble) { b.api.Allow(b.user); b.api.CutWatches() },
			end:   func(b *bubble) { b.api.Allow(b.user, simnode.ListPods, simnode.WatchPods) },
			words: []string{"status 403", "the service account needs the verb"},
		},
		faulty("410", answering(http.StatusGone, 0), "status 410", "listed anew"),
		busy,
		faulty("500", answering(http.StatusInternalServerError, 0), "status 500", "its own log says more"),
		faulty("half a body", always(simnode.AnswerHalf), "EOF", "cut or change the answers?"),
		faulty("a body that is not JSON", always(simnode.AnswerGarbage), "answer", "cut or change the answers?"),
		{
			name: "an expired certificate", secure: true, lasts: time.Hour,
			begin: func(b *bubble) {
				b.set(func() { b.certificate = b.signer(time.Now().Add(-time.Minute)) })
				b.restart()
			},
			end:   func(b *bubble) { b.set(func() { b.certificate = b.signer(time.Now().Add(24 * time.Hour)) }) },
			words: []string{"certificate has expired", "has to be renewed"},
		},
		{
			name: "a watch that goes silent", modes: watching, lasts: 2 * time.Hour,
			begin: func(b *bubble) { b.set(func() { b.muted = true }) },
			end:   func(b *bubble) { b.set(func() { b.muted = false }) },
			words: []string{"says nothing", "polled instead of watched", "a proxy or a load balancer"}, well: unwatched,
		},
		{
			name: "watches that are silent from the start", modes: watching, fromHere: true, lasts: 2 * time.Hour,
			begin: func(b *bubble) { b.set(func() { b.muted = true }) },
			end:   func(b *bubble) { b.set(func() { b.muted = false }) },
			words: []string{"says nothing", "polled instead of watched", "a proxy or a load balancer"}, well: unwatched,
		},
		{
			name: "a watch that is cut every second", modes: watching, lasts: time.Hour,
			begin: func(b *bubble) { b.api.CutWatches() },
			each:  func(b *bubble) { b.api.CutWatches() },
			end:   func(*bubble) {},
			words: []string{"cut again and again", "a proxy or a load balancer"}, well: 2 * lasting,
		},
		func() trouble {
			tr := faulty("watches that end at once", always(brief), "cut again and again", "a proxy or a load balancer")
			tr.modes, tr.well = watching, 2*lasting
			return tr
		}(),
	}
}

func slow(w http.ResponseWriter, r *http.Request, next http.Handler) {
	select {
	case <-time.After(30 * time.Second):
		next.ServeHTTP(w, r)
	case <-r.Context().Done():
	}
}

// brief lets a watch live for half a second.
func brief(w http.ResponseWriter, r *http.Request, next http.Handler) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second/2)
	defer cancel()
	next.ServeHTTP(w, r.WithContext(ctx))
}

// A3 to A8, K4: whatever befalls the server, in every mode: all CPU time is measured
// meanwhile, Ready says what is wrong and what helps, the server is asked seldom and at
// random, a pod that was born meanwhile is named soon after the end without a restart, and
// nothing grows with the time that it takes. With -short each trouble has one mode, and each
// mode some troubles.
func TestEveryTrouble(t *testing.T) {
	for i, tr := range troubles() {
		modes := tr.modes
		if modes == nil {
			modes = []string{modeWatch, modePoll, modeKubelet}
		}
		if testing.Short() {
			modes = modes[i%len(modes):][:1]
		}
		for _, mode := range modes {
			t.Run(tr.name+"/"+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { endure(t, tr, mode) })
			})
		}
	}
}

func endure(t *testing.T, tr trouble, mode string) {
	b := newBubble(t, tr.secure)
	s := &sufferer{
		rig: &rig{t: t, api: b.api, tree: newTree(t, simnode.Layout{Version: simnode.V1}), end: time.Now(), dial: b.dial},
		b:   b, booked: make(ledger), spent: make(map[string]uint64),
	}
	s.pods = append(s.pods, s.run(template("shop", "old")))
	if tr.fromHere {
		tr.begin(b)
	}
	s.start(b.configure(mode))
	s.booked.add(t, s.tick()) // the baseline
	if !tr.fromHere {
		s.within(20*time.Second, "the old pod's name", s.named)
		s.live(2*time.Minute, nil)
		b.forgetRequests()
		tr.begin(b)
	}
	s.live(5*time.Second, tr.each)
	s.pods = append(s.pods, s.run(template("shop", "born")))
	s.live(tr.lasts/4, tr.each)
	goroutines, heap := size()
	s.live(tr.lasts/4, tr.each)
	s.complains(tr.words)
	half := time.Now()
	s.live(tr.lasts/2, tr.each)
	s.complains(tr.words)
	moreGoroutines, moreHeap := size()
	if moreGoroutines > goroutines+10 || moreHeap > heap+256<<10 {
		t.Errorf("%d goroutines and %d KiB at the end, %d and %d KiB after a quarter of the time", moreGoroutines, moreHeap>>10, goroutines, heap>>10)
	}
	s.asksSeldom(tr, half)

	tr.end(b)
	s.within(recovery, "the names", s.named)
	s.within(max(tr.well, recovery), "recovery", func() bool { return s.Ready() == nil })
	s.live(time.Minute, nil)
	for _, want := range []string{"shop/born", "shop/old"} {
		if !slices.Contains(s.shown, want) {
			t.Errorf("at the end %v are shown, want %s", s.shown, want)
		}
	}
	for uid, want := range s.spent {
		if got := s.booked[ledgerKey("cpu_time_delta", uid, "", "total")]; got != want {
			t.Errorf("%d ns measured of pod %s, %d spent", got, uid, want)
		}
	}
}

func (s *sufferer) complains(words []string) {
	s.t.Helper()
	err := s.Ready()
	for _, word := range append(words, node) {
		if err == nil || !strings.Contains(err.Error(), word) {
			s.t.Errorf("Ready: %v; want %q in it", err, word)
		}
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		s.t.Errorf("Ready tells the token: %v", err)
	}
}

// asksSeldom looks at the requests: there are few, the pauses grow, in the second half they
// are long, and no two are alike.
func (s *sufferer) asksSeldom(tr trouble, half time.Time) {
	s.t.Helper()
	asked, _ := s.b.requests()
	// An attempt has up to four requests.
	if most := 4*int(tr.lasts/longestErrorPause) + 8; len(asked) > most {
		s.t.Errorf("%d requests in %v, want at most %d", len(asked), tr.lasts, most)
	}
	var first, late []time.Duration
	for i := 1; i < len(asked); i++ {
		pause := asked[i].Sub(asked[i-1])
		if pause > time.Second {
			first = append(first, pause)
		}
		// An answer that does not come is given up after a time that is no pause.
		if pause > requestTimeout && pause != prelude && pause != silence && asked[i-1].After(half) {
			late = append(late, pause)
		}
	}
	if len(first) < 3 || len(late) == 0 || tr.least == 0 && tr.well == 0 && slices.Max(first[:2]) >= slices.Min(late) {
		s.t.Errorf("the pauses do not grow: %v", first)
	}
	least := max(tr.least, longestErrorPause)
	slices.Sort(late)
	if len(late) < 2 || late[0] < least || len(slices.Compact(slices.Clone(late))) != len(late) {
		s.t.Errorf("pauses %v in the second half; want some, all different and from %v on", late, least)
	}
}
