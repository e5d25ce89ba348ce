package simnode

import (
	"bytes"
	"encoding/json"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestLoadAt(t *testing.T) {
	const s = time.Second
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	once := Load{Phases: []Phase{{For: s, Cores: 0.5}, {For: 2 * s}, {For: s, Cores: 1, System: 0.25}}}
	again := once
	again.Repeat = true
	for _, c := range []struct {
		name         string
		load         Load
		t            time.Duration
		user, system time.Duration
	}{
		{"idle", Load{}, s, 0, 0},
		{"before", once, -s, 0, 0},
		{"begin", once, 0, 0, 0},
		{"first phase", once, ms(200), ms(100), 0},
		{"pause", once, 2 * s, ms(500), 0},
		{"system", once, ms(3400), ms(500) + ms(300), ms(100)},
		{"after the end", once, 90 * s, ms(500) + ms(750), ms(250)},
		{"end of a round", again, 4 * s, ms(500) + ms(750), ms(250)},
		{"third round", again, 8*s + ms(200), 2*(ms(500)+ms(750)) + ms(100), ms(500)},
		{"steady", Steady(0.2, 0.5), 2 * time.Hour, 720 * s, 720 * s},
	} {
		t.Run(c.name, func(t *testing.T) {
			if user, system := c.load.At(c.t); user != c.user || system != c.system {
				t.Errorf("got %v user, %v system, want %v, %v", user, system, c.user, c.system)
			}
		})
	}
}

func TestLoadIdle(t *testing.T) {
	const s = time.Second
	once := Load{Phases: []Phase{{For: s}, {For: s, Cores: 0.5}, {For: s}}}
	again := once
	again.Repeat = true
	for _, c := range []struct {
		name  string
		load  Load
		t     time.Duration
		until time.Duration
		ok    bool
	}{
		{"nothing at all", Load{}, s, 0, false},
		{"before it begins", once, 0, s, true},
		{"at work", once, s + s/2, s + s/2, true},
		{"over", once, 2 * s, 0, false},
		{"in the next round", again, 2 * s, 4 * s, true},
		{"in a later round", again, 6*s + s/2, 7 * s, true},
		{"zeros for ever", Load{Repeat: true, Phases: []Phase{{For: s}}}, 5 * s, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if until, ok := c.load.idle(c.t); until != c.until || ok != c.ok {
				t.Errorf("got %v, %v, want %v, %v", until, ok, c.until, c.ok)
			}
		})
	}
}

func TestLoadsThatNobodyCanFollow(t *testing.T) {
	for name, l := range map[string]Load{
		"too many cores": Steady(1.1, 0),
		"less than none": Steady(-0.1, 0),
		"no number":      Steady(math.NaN(), 0),
		"all system":     Steady(0.1, 1.1),
		"no time":        {Phases: []Phase{{Cores: 0.1}}},
		"a week":         {Phases: []Phase{{For: 7 * 24 * time.Hour}}},
		"nothing again":  {Repeat: true},
		"all the memory": {Memory: math.MaxUint64},
		"many phases":    {Phases: make([]Phase, 1001)},
	} {
		if err := l.Validate(); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestBurnerSaysWhatIsWrong(t *testing.T) {
	threads, gc := runtime.GOMAXPROCS(0), debug.SetGCPercent(100)
	defer func() {
		runtime.GOMAXPROCS(threads)
		debug.SetGCPercent(gc)
	}()
	for _, c := range []struct{ in, want string }{
		{"{}x\n", "follows"},
		{"nonsense\n", "read the load"},
		{`{"cores":1}` + "\n", "cores"},
		{`{"phases":[{"for":1,"cores":2}]}` + "\n", "phase 0"},
		{strings.Repeat(" ", 70_000), "too long"},
		{"", ""},
		{"{}\n", ""},
	} {
		var out bytes.Buffer
		err := Burn(strings.NewReader(c.in), &out)
		if out.String() != "ready\n" {
			t.Errorf("%.20q: got output %q, want ready", c.in, out.String())
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%.20q: got %v, want none", c.in, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%.20q: got %v, want an error with %q", c.in, err, c.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, l := range []Load{{}, Steady(0.3, 0.5), {Memory: 1 << 20, Repeat: true, Phases: []Phase{{For: 1, Cores: 1}, {For: 3}}}} {
		b, err := json.Marshal(l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, int64(time.Second), int64(time.Minute))
	}
	f.Add([]byte(`{"phases":[{"for":1e3,"cores":0.1}]} {}`), int64(0), int64(1))
	f.Fuzz(func(t *testing.T, line []byte, from, step int64) {
		l, err := parseLoad(line)
		if err != nil {
			return
		}
		again, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := parseLoad(again); err != nil || !cmp.Equal(l, same, cmpopts.EquateEmpty()) {
			t.Errorf("got %v, %v after writing and reading %v", same, err, l)
		}
		const century = int64(100 * 365 * 24 * time.Hour)
		a := time.Duration(max(0, min(from, century)))
		b := a + time.Duration(max(0, min(step, century)))
		u1, s1 := l.At(a)
		u2, s2 := l.At(b)
		if u1 < 0 || s1 < 0 || u2 < u1 || s2 < s1 || u2+s2 > b {
			t.Errorf("got %v, %v at %v and %v, %v at %v, want what never goes down nor beyond one core", u1, s1, a, u2, s2, b)
		}
		if until, ok := l.idle(a); ok && until < a {
			t.Errorf("got idle until %v at %v", until, a)
		}
	})
}
