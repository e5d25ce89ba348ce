package k8s

import (
	"context"
	"errors"
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
		var requests int
		away := errors.New("away")
		down := true
		d := newDiscovery(modePoll, listerFunc(func(context.Context) ([]*pod, error) {
			if requests++; down {
				return nil, away
			}
			return []*pod{{uid: "web", name: "web"}}, nil
		}), 5*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.run(ctx) }()

		time.Sleep(time.Hour)
		if least, most := 150, 185; requests < least || requests > most {
			t.Errorf("%d requests in an hour, want %d to %d: one every 20 s, and an eighth more at random", requests, least, most)
		}
		if err := d.current.Load().err; !errors.Is(err, away) {
			t.Errorf("error %v, want %v", err, away)
		}
		down, requests = false, 0
		time.Sleep(30 * time.Second)
		if now := d.current.Load(); now.err != nil || now.find("web") == nil {
			t.Errorf("not at work again: %v", now.err)
		}
		time.Sleep(time.Hour)
		if requests != 1 {
			t.Errorf("%d requests since the server is back, want 1", requests)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
