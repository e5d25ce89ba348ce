package simnode

import (
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func TestReflectorFollowsAndRecovers(t *testing.T) {
	for name, contentType := range contentTypes {
		t.Run(name, func(t *testing.T) {
			cart := testPod("shop", "cart", "n1")
			a, url := listening(t, cart, testPod("shop", "elsewhere", "n2"))
			s := reflect(t, newClient(t, url, contentType), "n1")
			want := func(step string) {
				t.Helper()
				if got := s.next(t); got != step {
					t.Fatalf("got %q, want %q", got, step)
				}
			}
			want("replace cart")
			a.Put(testPod("shop", "web", "n1"))
			want("add web")
			a.Put(cart)
			want("update cart")
			a.Put(testPod("shop", "far", "n2")) // not seen
			if err := a.Delete("shop", "web"); err != nil {
				t.Fatal(err)
			}
			want("delete web")

			// A cut watch is taken up where it was: nothing is listed again.
			watches := func(r Request) bool { return r.Watch() }
			before := a.Count(watches)
			a.CutWatches()
			a.Put(testPod("shop", "new", "n1"))
			want("add new")
			if got := a.Count(watches); got <= before {
				t.Errorf("got %d watches after the cut, want more than %d", got, before)
			}

			// A watch whose version is forgotten is told so, and lists again.
			a.Compact()
			want("replace cart new")
			a.Put(testPod("shop", "last", "n1"))
			want("add last")
		})
	}
}

func TestReflectorListsWhereStreamingIsRefused(t *testing.T) {
	a, url := listening(t, testPod("shop", "cart", "n1"))
	a.Inject(1, a.AnswerStatus(422, 0))
	s := reflect(t, newClient(t, url, contentTypes["protobuf"]), "n1")
	if got := s.next(t); got != "replace cart" {
		t.Fatalf("got %q, want a list", got)
	}
	a.Put(testPod("shop", "web", "n1"))
	if got := s.next(t); got != "add web" {
		t.Fatalf("got %q, want the new pod", got)
	}
	if got := a.Count(func(r Request) bool { return !r.Watch() }); got != 1 {
		t.Errorf("got %d lists, want 1", got)
	}
}

func TestWatchSeesSelectionsOnly(t *testing.T) {
	for name, contentType := range contentTypes {
		t.Run(name, func(t *testing.T) {
			a, url := listening(t)
			w := watchPods(t, newClient(t, url, contentType), metav1.ListOptions{ResourceVersion: "1", FieldSelector: "spec.nodeName=n1"})
			pod := testPod("shop", "cart", "")
			a.Put(pod) // waits for a node: not seen
			pod.Spec.NodeName = "n1"
			a.Put(pod)
			added := wantEvent(t, w, watch.Added, "cart")
			a.Put(pod)
			modified := wantEvent(t, w, watch.Modified, "cart")
			pod.Spec.NodeName = "n2"
			a.Put(pod)
			deleted := wantEvent(t, w, watch.Deleted, "cart")
			if got := []string{added.ResourceVersion, modified.ResourceVersion, deleted.ResourceVersion}; got[0] != "3" || got[1] != "4" || got[2] != "5" {
				t.Errorf("got versions %v, want 3, 4 and 5", got)
			}
			if deleted.Spec.NodeName != "n1" {
				t.Errorf("got node %q in the last event, want what was seen before, n1", deleted.Spec.NodeName)
			}
		})
	}
}

func TestAnotherPodOfTheSameNameIsAnotherPod(t *testing.T) {
	a, url := listening(t, testPod("shop", "db-0", "n1"))
	w := watchPods(t, newClient(t, url, contentTypes["json"]), metav1.ListOptions{})
	first := wantEvent(t, w, watch.Added, "db-0")
	a.Put(testPod("shop", "db-0", "n1"))
	if gone := wantEvent(t, w, watch.Deleted, "db-0"); gone.UID != first.UID {
		t.Errorf("got the end of %s, want that of %s", gone.UID, first.UID)
	}
	if second := wantEvent(t, w, watch.Added, "db-0"); second.UID == first.UID {
		t.Error("got the first pod again, want another")
	}
}

func TestWatchResumesAndExpires(t *testing.T) {
	a, url := listening(t, testPod("a", "1", "n"))
	client := newClient(t, url, contentTypes["protobuf"])
	list, err := listPods(t, client, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a.Put(testPod("a", "2", "n"))
	a.Put(testPod("a", "3", "n"))
	w := watchPods(t, client, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	wantEvent(t, w, watch.Added, "2")
	three := wantEvent(t, w, watch.Added, "3")
	w = watchPods(t, client, metav1.ListOptions{ResourceVersion: three.ResourceVersion})
	a.Put(testPod("a", "4", "n"))
	wantEvent(t, w, watch.Added, "4")

	// Changes are forgotten by themselves, too, when there were many.
	for i := range 2*historyLimit + 1 {
		a.Put(testPod("b", fmt.Sprint(i), "n"))
	}
	w = watchPods(t, client, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	e, _ := nextEvent(t, w)
	if err := apierrors.FromObject(e.Object); e.Type != watch.Error || !apierrors.IsResourceExpired(err) {
		t.Errorf("got %s %v, want an error that says expired", e.Type, err)
	}
	if _, ok := nextEvent(t, w); ok {
		t.Error("the watch goes on after the error")
	}
}

func TestWatchStreamsTheList(t *testing.T) {
	yes := true
	a, url := listening(t, testPod("a", "1", "n"), testPod("a", "2", "n"))
	w := watchPods(t, newClient(t, url, contentTypes["protobuf"]), metav1.ListOptions{
		SendInitialEvents: &yes, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true,
	})
	wantEvent(t, w, watch.Added, "1")
	wantEvent(t, w, watch.Added, "2")
	mark := wantEvent(t, w, watch.Bookmark, "")
	if got := mark.Annotations[metav1.InitialEventsAnnotationKey]; got != "true" || mark.ResourceVersion != "3" {
		t.Errorf("got %v at version %s, want the end of the list at version 3", mark.Annotations, mark.ResourceVersion)
	}
	a.Bookmark()
	if mark := wantEvent(t, w, watch.Bookmark, ""); len(mark.Annotations) != 0 {
		t.Errorf("got %v, want a plain bookmark", mark.Annotations)
	}
	a.Put(testPod("a", "3", "n"))
	wantEvent(t, w, watch.Added, "3")
}

func TestWatchFromNowOn(t *testing.T) {
	no := false
	a, url := listening(t, testPod("a", "1", "n"))
	w := watchPods(t, newClient(t, url, contentTypes["json"]), metav1.ListOptions{
		SendInitialEvents: &no, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	a.Bookmark() // not allowed by this watch
	a.Put(testPod("a", "2", "n"))
	wantEvent(t, w, watch.Added, "2")
}

func TestWatchEndsInTime(t *testing.T) {
	second := int64(1)
	_, url := listening(t)
	w := watchPods(t, newClient(t, url, contentTypes["protobuf"]), metav1.ListOptions{TimeoutSeconds: &second})
	if e, ok := nextEvent(t, w); ok {
		t.Errorf("got %s %v, want a clean end", e.Type, e.Object)
	}
}

func TestReadersDoNotShareWithTheStore(t *testing.T) {
	pod := testPod("a", "1", "n")
	a := NewAPI()
	a.Put(pod)
	pod.Labels["app"] = "changed by the writer"
	a.Pods()[0].Labels["app"] = "changed by a reader"
	if got := a.Pods()[0].Labels["app"]; got != "1" {
		t.Errorf("got label %q, want what was put, 1", got)
	}
}
