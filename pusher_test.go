package main

import (
	"crypto/tls"
	"sync"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/otlp"
	"github.com/podjoule/podjoule/plugins/remotewrite"
)

// pusher is an output of a trouble, with its receiver.
type pusher struct {
	*inMemory
	name     string
	want     outcome
	receiver *receiver
	other    *plugintest.Wire // of a server of another protocol
	middle   int64            // a place in the body of its first request on a connection
	// Names of counters.
	taken, rejected, lost, waits, faults string

	spoiled bool
	mu      sync.Mutex
	answer  *refusal
	refused []time.Time // when it gave that answer
	arrived map[point]int
}

// point tells a point from all others of one output.
type point struct {
	uid     string
	counter bool
	time    int64
}

// disturb puts a trouble before the receiver, or takes it away.
func (p *pusher) disturb(t *testing.T, x *trouble) {
	p.mu.Lock()
	p.answer = x.refuse
	p.mu.Unlock()
	switch {
	case x.spoil != nil:
		p.wire.Spoil(x.spoil(t, p))
	case p.spoiled:
		p.wire.Spoil(nil)
	}
	p.spoiled = x.spoil != nil
}

// refusal is for the receiver.
func (p *pusher) refusal() *refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answer != nil {
		p.refused = append(p.refused, time.Now())
	}
	return p.answer
}

func (p *pusher) take(a arrival) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arrived[point{a.uid, a.counter, a.time}]++
}

// pushers makes the outputs with their receivers, which are well.
func (x *trouble) pushers(t *testing.T) []*pusher {
	t.Helper()
	scheme, ca := "http", ""
	var secure *tls.Config
	if x.secure {
		authority := plugintest.NewAuthority(t)
		scheme, ca = "https", authority.File
		secure = &tls.Config{Certificates: []tls.Certificate{authority.Issue(t, "127.0.0.1").Pair}}
	}
	make1 := func(name string, c plugin.Config, want outcome, middle int64) (*pusher, *receiver) {
		p := &pusher{inMemory: newInMemory(t, c), name: name, want: want, middle: middle, arrived: make(map[point]int)}
		p.taken, p.rejected, p.lost, p.waits = "podjoule.otlp.points", "podjoule.otlp.rejected_points", "podjoule.otlp.dropped_points", "podjoule.otlp.queue.points"
		p.receiver = &receiver{t: t, take: p.take, refuse: p.refusal}
		return p, p.receiver
	}
	otlpTo := func(protocol, port string) *otlp.Config {
		c := pushed(protocol, scheme+"://127.0.0.1:"+port)
		c.CAFile = ca
		return c
	}
	writeTo := func(version string) *remotewrite.Config {
		c := remotewrite.Plugin().Config().(*remotewrite.Config)
		c.URL, c.ProtocolVersion = scheme+"://127.0.0.1:9090/api/v1/write", version
		c.HTTPClient = remotewrite.HTTPClient{"tls_config": map[string]any{"ca_file": ca}}
		return c
	}
	byGRPC, r := make1("otlp_grpc", otlpTo(otlp.GRPC, "4317"), x.grpc, 400)
	byGRPC.serveGRPC(t, r, secure)
	byHTTP, r := make1("otlp_http", otlpTo(otlp.HTTP, "4318"), x.http, 300)
	byHTTP.serveHTTP(t, r.overHTTP, secure)
	all := []*pusher{byGRPC, byHTTP}
	for version, want := range map[string]outcome{remotewrite.Version1: x.old, remotewrite.Version2: x.fresh} {
		middle := int64(280)
		if version == remotewrite.Version2 { // whose head is longer
			middle = 340
		}
		p, r := make1("remotewrite_"+version, writeTo(version), want, middle)
		p.taken, p.rejected, p.lost, p.waits = "podjoule.remotewrite.samples", "podjoule.remotewrite.rejected_samples", "podjoule.remotewrite.dropped_samples", "podjoule.remotewrite.queue.bytes"
		p.serveHTTP(t, r.remoteWrite, secure)
		all = append(all, p)
	}
	byGRPC.other = byHTTP.wire // two receivers of OTLP whose ports were mistaken for each other
	for _, p := range all[1:] {
		p.other = byGRPC.wire
	}
	return all
}

// balance holds what arrived against what was written and what is counted.
func (p *pusher) balance(t *testing.T, x *trouble, windows, requests int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, times := range p.arrived {
		if times != 1 {
			t.Errorf("%s: %+v arrived %d times", p.name, at, times)
		}
	}
	written, lost := windows*scriptedSeries, p.want.final*requests
	if got := len(p.arrived); got != written-lost {
		t.Errorf("%s: %d points arrived of %d, want %d", p.name, got, written, written-lost)
	}
	taken, missing := p.counted(t, p.taken), p.counted(t, p.rejected)+p.counted(t, p.lost)
	if taken != written-lost || missing != lost {
		t.Errorf("%s: %d points are counted as taken and %d as not, want %d and %d", p.name, taken, missing, written-lost, lost)
	}
	for i := 1; i < len(p.refused) && x.pause > 0; i++ {
		if wait := p.refused[i].Sub(p.refused[i-1]); wait < x.pause {
			t.Errorf("%s: came back after %v, was asked for %v", p.name, wait, x.pause)
		}
	}
	if x.torn && p.name != "otlp_grpc" && p.receiver.torn.Load() == 0 { // of gRPC it is not seen
		t.Errorf("%s: all bodies were whole", p.name)
	}
	if x.refuse != nil && p.want.final == 0 && (len(p.refused) < 2 || len(p.refused) > 7) {
		t.Errorf("%s: %d attempts in the minute, want a few, and more and more seldom", p.name, len(p.refused))
	}
}
