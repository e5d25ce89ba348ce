package main

import (
	"bytes"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/csv"
)

// outcome is what an output makes of a trouble.
type outcome struct {
	// says is in what it tells of itself, with the remedy.
	says string
	// final says that what is written meanwhile is given up, so many points of each
	// request; else all of it waits, and arrives later.
	final int
}

// trouble is something that is wrong with a receiver for a minute.
type trouble struct {
	name   string
	secure bool // the receiver has TLS
	torn   bool // the receiver sees bodies that are not whole
	// spoil is put before a receiver; see plugintest.Wire. It may be nil.
	spoil func(t *testing.T, p *pusher) func(net.Conn) error
	// refuse is what the receiver answers, where it is reached.
	refuse *refusal
	// pause is what lies between two attempts at least.
	pause                  time.Duration
	grpc, http, old, fresh outcome // by OTLP, and by remote write 1.0 and 2.0
}

// scriptedSeries is how many series the source of the troubles has.
const scriptedSeries = 3

func troubles() []trouble {
	const (
		noOTLP, noWrite = "is an OTLP receiver listening there?", "does a receiver of remote write listen there?"
		slow, busy      = "raise timeout", "the receiver is overloaded or not ready"
		name, trust     = "exist? the node's DNS does not know it", "set ca_file"
	)
	all := func(o, w outcome, x trouble) trouble {
		x.grpc, x.http, x.old, x.fresh = o, o, w, w
		return x
	}
	same := func(o outcome, x trouble) trouble { return all(o, o, x) }
	always := func(f func(net.Conn) error) func(*testing.T, *pusher) func(net.Conn) error {
		return func(*testing.T, *pusher) func(net.Conn) error { return f }
	}
	wait := []protoadapt.MessageV1{&errdetails.RetryInfo{RetryDelay: durationpb.New(40 * time.Second)}}
	return []trouble{
		same(outcome{says: slow}, trouble{name: "hanging", spoil: always(plugintest.Silent)}),
		all(outcome{says: noOTLP}, outcome{says: noWrite}, trouble{name: "nobody listens", spoil: always(plugintest.Away)}),
		{
			name: "429", refuse: &refusal{http: 429, code: codes.ResourceExhausted}, // which is final without RetryInfo
			grpc: outcome{"raise the limits of the receiver", scriptedSeries}, http: outcome{says: busy}, old: outcome{says: busy}, fresh: outcome{says: busy},
		},
		{
			name: "429 and when to come back", refuse: &refusal{http: 429, code: codes.ResourceExhausted, after: "40", details: wait}, pause: 40 * time.Second,
			grpc: outcome{says: "ResourceExhausted: not so"}, http: outcome{says: busy}, old: outcome{says: busy}, fresh: outcome{says: busy},
		},
		{
			name: "503", refuse: &refusal{http: 503, code: codes.Unavailable},
			grpc: outcome{says: busy}, http: outcome{says: busy}, old: outcome{says: busy}, fresh: outcome{says: busy},
		},
		{
			name: "503 and when to come back", refuse: &refusal{http: 503, code: codes.Unavailable, after: "40", details: wait}, pause: 40 * time.Second,
			grpc: outcome{says: busy}, http: outcome{says: busy}, old: outcome{says: busy}, fresh: outcome{says: busy},
		},
		same(outcome{"not so: the receiver's own log may say more", scriptedSeries}, trouble{name: "400", refuse: &refusal{http: 400, code: codes.InvalidArgument}}),
		{
			name: "partial success", refuse: &refusal{http: 200, rejected: 1},
			grpc: outcome{`1 of 3 points were not taken: "not so"`, 1}, http: outcome{`1 of 3 points were not taken: "not so"`, 1},
			old: outcome{"not so", scriptedSeries}, fresh: outcome{"took 2 of 3 samples: the receiver's own log may say more", 1},
		},
		all(outcome{says: noOTLP}, outcome{says: noWrite}, trouble{name: "reset in mid-body", torn: true, spoil: func(_ *testing.T, p *pusher) func(net.Conn) error {
			return p.wire.CutAfter(p.middle)
		}}),
		same(outcome{says: trust}, trouble{name: "wrong certificate", secure: true, spoil: func(t *testing.T, _ *pusher) func(net.Conn) error {
			stranger := plugintest.NewAuthority(t).Issue(t, "127.0.0.1").Pair
			return func(end net.Conn) error {
				go func() {
					with := newRoomy(end)
					defer close(with.room)
					_ = tls.Server(with, &tls.Config{Certificates: []tls.Certificate{stranger}, NextProtos: []string{"h2", "http/1.1"}}).HandshakeContext(t.Context())
					_ = end.Close()
				}()
				return nil
			}
		}}),
		all(outcome{says: noOTLP}, outcome{says: noWrite}, trouble{name: "wrong protocol", spoil: func(_ *testing.T, p *pusher) func(net.Conn) error {
			return p.other.To
		}}),
		same(outcome{says: name}, trouble{name: "no such name", spoil: always(func(net.Conn) error {
			return &net.DNSError{Err: "no such host", Name: "receiver", IsNotFound: true}
		})}),
		same(outcome{says: name}, trouble{name: "no answer of the DNS", spoil: always(func(net.Conn) error {
			return &net.DNSError{Err: "server misbehaving", Name: "receiver", IsTemporary: true}
		})}),
	}
}

// roomy is a pipe with room for what is not read yet, as connections have: an alert of TLS
// may cross what the server still says.
type roomy struct {
	net.Conn
	room chan []byte
}

func newRoomy(c net.Conn) roomy {
	r := roomy{c, make(chan []byte, 100)}
	go func() {
		for p := range r.room {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	}()
	return r
}

// Write implements net.Conn.
func (r roomy) Write(p []byte) (int, error) {
	r.room <- bytes.Clone(p)
	return len(p), nil
}

// TestTroubles has each trouble befall receivers of OTLP, by gRPC and HTTP, and of remote
// write, 1.0 and 2.0, for a minute, in the real host: what can be sent again arrives once,
// the rest is counted; each says what is wrong and what helps; no tick is late, and a CSV
// file beside them is complete (A21).
func TestTroubles(t *testing.T) {
	for _, x := range troubles() {
		t.Run(x.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "out.csv")
			synctest.Test(t, func(t *testing.T) { x.befall(t, file) })
		})
	}
}

func (x *trouble) befall(t *testing.T, file string) {
	pushers := x.pushers(t)
	windows := 0
	source := threeSeries(&windows)
	rows := newInMemory(t, &csv.Config{Path: file, RenameAttributes: plugin.Renames{}})
	plugins := []agent.Enabled{source.enabled(), rows.enabled("csv")}
	for _, p := range pushers {
		plugins = append(plugins, p.enabled(p.name))
	}
	began := time.Now()
	stop := startAgent(t, plugins...)
	time.Sleep(10*time.Second + 500*time.Millisecond)
	synctest.Wait()
	for _, p := range pushers {
		if err := p.ready(); err != nil {
			t.Errorf("%s, before: %v", p.name, err)
		}
		p.disturb(t, x)
	}
	const minute = 60
	time.Sleep(minute * time.Second)
	synctest.Wait()
	for _, p := range pushers {
		if err := p.ready(); err == nil || !strings.Contains(err.Error(), p.want.says) {
			t.Errorf("%s says: %v; want %s", p.name, err, p.want.says)
		}
		if got := p.ofAgent(t, "podjoule.agent.plugin.failing", p.name); got != 1 {
			t.Errorf("%s: the host does not tell that it is failing", p.name)
		}
		if waits := p.counted(t, p.waits); (waits > 0) != (p.want.final == 0) {
			t.Errorf("%s: %s is %d", p.name, p.waits, waits)
		}
		p.disturb(t, &trouble{})
	}
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	for _, p := range pushers {
		if err := p.ready(); err != nil {
			t.Errorf("%s, afterwards: %v", p.name, err)
		}
		if got := p.ofAgent(t, "podjoule.agent.plugin.failing", p.name); got != 0 {
			t.Errorf("%s: the host tells that it is failing", p.name)
		}
	}
	if late, failed := rows.ofAgent(t, "podjoule.agent.late_ticks", ""), rows.ofAgent(t, "podjoule.agent.plugin.errors", ""); late != 0 || failed != 0 {
		t.Errorf("%d ticks were late, %d calls failed", late, failed)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	for _, p := range pushers {
		p.balance(t, x, windows, minute)
	}
	checkRows(t, file, began, windows)
}

// threeSeries is a source of scriptedSeries, each second, that counts the windows.
func threeSeries(windows *int) *scripted {
	work, level := scriptedMetrics()
	series := []*measure.Series{seriesOf(work, "a"), seriesOf(work, "b"), seriesOf(level, "a")}
	return &scripted{interval: time.Second, metrics: []*measure.Metric{work, level}, poll: func(b *measure.Batch) {
		if b.Start.Equal(b.End) {
			return // no window yet
		}
		*windows++
		for _, s := range series {
			b.Uint(s, uint64(*windows))
		}
	}}
}

// checkRows wants all series of all windows in a file, each at a whole second.
func checkRows(t *testing.T, path string, began time.Time, windows int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]int)
	for _, r := range parseRows(t, string(text)) {
		rows[r["timestamp"]]++
	}
	if len(rows) != windows {
		t.Errorf("the file has %d windows, want %d", len(rows), windows)
	}
	for i := 1; i < windows; i++ { // the last one ends with the agent
		at := began.Add(time.Duration(i) * time.Second).UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
		if rows[at] != scriptedSeries {
			t.Errorf("the file has %d rows of %s, want %d", rows[at], at, scriptedSeries)
		}
	}
}
