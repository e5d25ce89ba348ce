package k8s

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type listerFunc func(context.Context) ([]*pod, error)

func (f listerFunc) list(ctx context.Context) ([]*pod, error) { return f(ctx) }

// A server that is down for an hour is asked seldom, and at work again within half
// a minute; in steady state it is not asked at all.
func TestAnHourWithoutAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		away := errors.New("away")
		var up atomic.Bool
		d := newDiscovery(modePoll, listerFunc(func(context.Context) ([]*pod, error) {
			if requests.Add(1); !up.Load() {
				return nil, away
			}
			return []*pod{{uid: "web", name: "web"}}, nil
		}), 5*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.run(ctx) }()

		time.Sleep(time.Hour)
		if n, least, most := requests.Load(), int64(150), int64(185); n < least || n > most {
			t.Errorf("%d requests in an hour, want %d to %d: one every 20 s, and an eighth more at random", n, least, most)
		}
		if err := d.current.Load().err; !errors.Is(err, away) {
			t.Errorf("error %v, want %v", err, away)
		}
		up.Store(true)
		requests.Store(0)
		time.Sleep(30 * time.Second)
		if now := d.current.Load(); now.err != nil || now.find("web") == nil {
			t.Errorf("not at work again: %v", now.err)
		}
		time.Sleep(time.Hour)
		if n := requests.Load(); n != 1 {
			t.Errorf("%d requests since the server is back, want 1", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
