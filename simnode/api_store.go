package simnode

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// historyLimit is how many changes are kept at least for watches that resume;
// twice as many at most. A watch from before them gets a 410.
const historyLimit = 1000

// store holds the pods and their recent changes, each with a version of its
// own. Pods in it are never changed, so that they may be read without a lock.
type store struct {
	mu      sync.Mutex
	pods    map[string]*corev1.Pod // by namespace/name
	version uint64
	floor   uint64 // history holds every change after this version
	history []change
	signals signals
}

// change is one step from a version to the next. before is nil when the pod was
// added, after is nil when it was deleted.
type change struct {
	version       uint64
	before, after *corev1.Pod
}

// signals are what running watches wait for.
type signals struct {
	wake      chan struct{} // closed and replaced whenever anything below or a pod changes
	bookmarks int           // how many bookmarks were asked for so far
	cuts      int           // how often all watches were cut
}

func newStore() *store {
	return &store{pods: map[string]*corev1.Pod{}, version: 1, floor: 1, signals: signals{wake: make(chan struct{})}}
}

func podKey(namespace, name string) string { return namespace + "/" + name }

// put adds a pod or replaces it. A pod of the same name with another UID is
// another pod: the old one is deleted first.
func (s *store) put(pod *corev1.Pod) {
	pod = pod.DeepCopy()
	pod.APIVersion, pod.Kind = "", ""
	key := podKey(pod.Namespace, pod.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.pods[key]
	if before != nil && before.UID != pod.UID {
		s.record(before, nil)
		before = nil
	}
	pod.ResourceVersion = formatVersion(s.version + 1)
	s.record(before, pod)
	s.pods[key] = pod
}

// remove deletes a pod and tells whether it was there.
func (s *store) remove(namespace, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := podKey(namespace, name)
	before := s.pods[key]
	if before == nil {
		return false
	}
	s.record(before, nil)
	delete(s.pods, key)
	return true
}

// record appends one change. The caller holds the lock.
func (s *store) record(before, after *corev1.Pod) {
	s.version++
	s.history = append(s.history, change{s.version, before, after})
	if len(s.history) > 2*historyLimit {
		drop := len(s.history) - historyLimit
		s.floor = s.history[drop-1].version
		s.history = slices.Clone(s.history[drop:])
	}
	s.signal()
}

// signal wakes all watches. The caller holds the lock.
func (s *store) signal() {
	close(s.signals.wake)
	s.signals.wake = make(chan struct{})
}

// compact forgets all changes. The version steps on, as it does in etcd when
// other objects change, so that even a watch that has seen every change is late.
func (s *store) compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.floor = s.version
	s.history = nil
	s.signal()
}

func (s *store) bookmark() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signals.bookmarks++
	s.signal()
}

func (s *store) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signals.cuts++
	s.signal()
}

// current returns all pods in the order of their names, the version, and what
// to wait for next.
func (s *store) current() ([]*corev1.Pod, uint64, signals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sorted(s.pods), s.version, s.signals
}

// at returns the pods as they were at a version; ok is false when that version
// is forgotten or yet to come.
func (s *store) at(version uint64) (pods []*corev1.Pod, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version < s.floor || version > s.version {
		return nil, false
	}
	then := maps.Clone(s.pods)
	for _, c := range slices.Backward(s.history) {
		if c.version <= version {
			break
		}
		if c.after != nil {
			delete(then, podKey(c.after.Namespace, c.after.Name))
		}
		if c.before != nil {
			then[podKey(c.before.Namespace, c.before.Name)] = c.before
		}
	}
	return sorted(then), true
}

// since returns the changes after a version, the version that they lead to, and
// what to wait for next; ok is false when some of them are forgotten.
func (s *store) since(version uint64) (changes []change, now uint64, next signals, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version < s.floor {
		return nil, s.version, s.signals, false
	}
	i, _ := slices.BinarySearchFunc(s.history, version+1, func(c change, v uint64) int {
		if c.version < v {
			return -1
		}
		return 1
	})
	return slices.Clone(s.history[i:]), s.version, s.signals, true
}

func sorted(pods map[string]*corev1.Pod) []*corev1.Pod {
	out := make([]*corev1.Pod, 0, len(pods))
	for _, key := range slices.Sorted(maps.Keys(pods)) {
		out = append(out, pods[key])
	}
	return out
}

func formatVersion(v uint64) string { return strconv.FormatUint(v, 10) }
