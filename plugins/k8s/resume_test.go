package k8s

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/simnode"
)

// A watch that was cut goes on where it was. Until it does, a cgroup without a name waits, as
// its pod may be told yet; then one that no pod belongs to is shown by its UID.
func TestWatchThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settled(t, modeWatch)
		s.b.set(func() {
			s.b.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				time.Sleep(9 * time.Second)
				next.ServeHTTP(w, r)
			}
		})
		for s.second%5 != 3 { // two ticks come before the watch goes on
			s.live(time.Second, nil)
		}
		s.b.api.CutWatches()
		s.live(time.Second, nil)
		s.run(template("shop", "meanwhile"))
		for range 20 {
			s.live(time.Second, nil)
			if slices.Contains(s.shown, "/") {
				t.Fatalf("shown before the watch went on: %v", s.shown)
			}
		}
		if !slices.Contains(s.shown, "shop/meanwhile") {
			t.Errorf("shown after the watch went on: %v", s.shown)
		}
		s.cgroup(simnode.NewPod(template("shop", "unknown")))
		s.within(15*time.Second, "the cgroup without a pod", func() bool { return slices.Contains(s.shown, "/") })
		if asked, watches := s.b.requests(); len(asked) != 1 || watches != 1 {
			t.Errorf("%d requests and %d watches, want the one watch that went on", len(asked), watches)
		}
	})
}
