package k8s

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podjoule/podjoule/cgroup"
)

// goneFor is how long a pod that was deleted is known on: its cgroup may be seen
// later than its end.
const goneFor = 2 * time.Minute

// book keeps the pods of a node as the API server tells them, and publishes them
// as directories. It is safe for concurrent use.
type book struct {
	current atomic.Pointer[directory]

	mu   sync.Mutex
	live map[string]*pod // by UID
	gone map[string]departed
	// whole is since when nothing was missed; zero while something may be.
	whole time.Time
	// answered is when a server told something last, if only that nothing is new.
	answered time.Time
}

type departed struct {
	*pod
	at time.Time
}

func newBook() *book {
	b := &book{live: make(map[string]*pod), gone: make(map[string]departed)}
	b.current.Store(new(directory))
	return b
}

// replace takes all pods as of a moment.
func (b *book) replace(pods []*pod, asked time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.live
	b.live = make(map[string]*pod, len(pods))
	for _, p := range pods {
		b.live[p.uid] = p
	}
	for uid, p := range old {
		if b.live[uid] == nil {
			b.gone[uid] = departed{p, asked}
		}
	}
	b.whole = time.Now()
	b.publish(asked)
}

// interrupt tells that from now on something may be missed.
func (b *book) interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole = time.Time{}
}

// resume tells that what was missed is about to be told, and all that comes.
func (b *book) resume() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole = time.Now()
	if d := b.current.Load(); d.err != nil {
		b.current.Store(&directory{pods: d.pods, asked: d.asked})
	}
}

// answer notes that a server told something.
func (b *book) answer() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answered = time.Now()
}

// lastAnswer is when a server told something last; zero before the first time.
func (b *book) lastAnswer() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answered
}

// put takes one pod that is new or has changed.
func (b *book) put(p *pod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live[p.uid] = p
	b.publish(b.current.Load().asked) // it says nothing about others
}

// remove takes the deletion of a pod.
func (b *book) remove(p *pod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.live, p.uid)
	b.gone[p.uid] = departed{p, time.Now()}
	b.publish(b.current.Load().asked)
}

// confirm tells that what is known is so as of a moment, if nothing was missed.
func (b *book) confirm(asked time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.whole.IsZero() && !asked.Before(b.whole) {
		b.current.Store(&directory{pods: b.current.Load().pods, asked: asked})
	}
}

// fail tells why what is known is not renewed.
func (b *book) fail(err error, asked time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole = time.Time{}
	b.current.Store(&directory{pods: b.current.Load().pods, asked: asked, err: err})
}

// tidy forgets the pods that are gone for long enough, in maps that are made anew:
// one that was emptied keeps its memory.
func (b *book) tidy(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.gone)
	b.forget(now)
	if len(b.gone) == before {
		return
	}
	b.live, b.gone = maps.Clone(b.live), maps.Clone(b.gone)
	d := *b.current.Load()
	d.pods = b.pods()
	b.current.Store(&d)
}

func (b *book) forget(now time.Time) {
	maps.DeleteFunc(b.gone, func(uid string, d departed) bool { return b.live[uid] != nil || now.Sub(d.at) > goneFor })
}

// publish makes a directory of what is known.
func (b *book) publish(asked time.Time) {
	now := time.Now()
	b.answered = now
	b.forget(now)
	b.current.Store(&directory{pods: b.pods(), asked: asked})
}

// pods returns all pods that are known by the UIDs in their cgroups' names.
func (b *book) pods() map[string]*pod {
	pods := make(map[string]*pod, len(b.live)+len(b.gone))
	enter := func(p *pod) {
		pods[cgroup.UIDKey(p.uid)] = p
		if p.hash != "" {
			pods[cgroup.UIDKey(p.hash)] = p
		}
	}
	for _, d := range b.gone {
		enter(d.pod)
	}
	for _, p := range b.live { // after those gone, since a mirror that is made again keeps its hash
		enter(p)
	}
	return pods
}
