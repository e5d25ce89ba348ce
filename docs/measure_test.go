package docs_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

const (
	// replacements are how many pods are replaced to tell what one costs, with pauses
	// after which an idle connection is closed, as where pods seldom come and go.
	replacements     = 5
	replacementPause = 5*time.Minute + 30*time.Second // six minutes with the replacement
	// absence is how long the API server is away, and recovery how long it takes to be
	// asked again: less than the time to the next bookmark.
	absence  = 30 * time.Second
	recovery = 45 * time.Second
	// lists are how many are measured to tell what an hour of them costs.
	lists = 5
)

// mode is one way to know the pods, and what it costs the API server.
type mode struct {
	start    cost
	quiet    cost  // an hour in which nothing changes
	replaced cost  // one pod
	cut      cost  // the connection, while another server is there at once
	absent   cost  // the server, for a while
	open     int64 // connections in steady state
	kubelet  *mode // what it costs the kubelet
}

// measureMode measures a mode of discovery.
func measureMode(t *testing.T, setting string, streaming bool) mode {
	t.Helper()
	got := mode{kubelet: new(mode)}
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, streaming)
		got.start, got.kubelet.start = m.during(func() {
			m.start(setting)
			m.pass(4 * interval)
		})
		m.complete()
		m.pass(5 * time.Minute) // what the start needed is put away
		got.cut, _ = m.during(func() {
			m.server.cut()
			m.pass(recovery)
		})
		m.pass(time.Minute)
		got.absent, _ = m.during(func() {
			m.server.away.Store(true)
			m.server.cut()
			m.pass(absence)
			m.server.away.Store(false)
			m.pass(recovery)
		})
		m.pass(5 * time.Minute)
		m.every = time.Minute // nothing appears that could be seen sooner
		got.quiet, got.kubelet.quiet = m.during(func() { m.pass(time.Hour) })
		m.every = interval
		got.open, got.kubelet.open = m.server.open(), m.host.open()
		m.complete()

		server, kubelet := m.during(func() { // half an hour
			for range replacements {
				m.replace()
				m.pass(replacementPause)
				m.complete()
			}
		})
		got.replaced = server.less(got.quiet.by(t, 2)).by(t, replacements)
		got.kubelet.replaced = kubelet.less(got.kubelet.quiet.by(t, 2)).by(t, replacements)
	})
	return got
}

// measureLists measures the lists of an agent that asks for one after each pause. A
// plain client knows neither protobuf nor compression.
func measureLists(t *testing.T, pause time.Duration, plain bool) mode {
	t.Helper()
	var got mode
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, true)
		client := m.net.transport(m.authority)
		defer client.CloseIdleConnections()
		list := func() cost {
			before := m.server.cost()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
				"https://127.0.0.1:"+apiPort+"/api/v1/pods?fieldSelector=spec.nodeName%3D"+nodeName, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+m.secret)
			r.Header.Set("Accept", "application/vnd.kubernetes.protobuf")
			if plain {
				r.Header.Set("Accept", "application/json")
				r.Header.Set("Accept-Encoding", "identity")
			}
			answer, err := client.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if n, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK || n < nodePods*1000 {
				t.Fatalf("status %d, %d bytes, error %v; want a list of %d pods", answer.StatusCode, n, err, nodePods)
			}
			m.pass(pause)
			return m.server.cost().less(before)
		}
		got.start = list()
		for range lists {
			got.quiet = got.quiet.plus(list())
		}
		got.quiet = got.quiet.times(int64(time.Hour/pause)).by(t, lists)
		got.open = m.server.open()
	})
	return got
}
