package simnode

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestStartTime(t *testing.T) {
	tail := " S" + strings.Repeat(" 0", 18) + " 4711 0 0\n"
	for _, c := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"1 (init)" + tail, 4711, true},
		{"1 (a b) c) (d)" + tail, 4711, true},
		{"1 (init) S 0 0", 0, false},
		{"", 0, false},
		{"1 (init) S" + strings.Repeat(" x", 19), 0, false},
	} {
		got, err := parseStartTime([]byte(c.text))
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%q: got %d, %v, want %d, ok %v", c.text, got, err, c.want, c.ok)
		}
	}
}

func TestOwnerIsAlive(t *testing.T) {
	name, err := runName(os.Getpid())
	must(t, err)
	self, err := parseRunName(name)
	must(t, err)
	if !self.alive() {
		t.Error("this process counts as dead")
	}
	self.start++
	if self.alive() {
		t.Error("another process with the same ID counts as this one")
	}
	if (owner{pid: 1 << 22, start: 1}).alive() {
		t.Error("a process ID that the kernel never gives counts as alive")
	}
}

func FuzzRunName(f *testing.F) {
	for _, s := range []string{"12-345", "-1-2", "0-0", "1-", "x-y", "1-2-3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		o, err := parseRunName(name)
		if err != nil {
			return
		}
		if again, err := parseRunName(fmt.Sprintf("%d-%d", o.pid, o.start)); err != nil || again != o || o.pid <= 0 {
			t.Errorf("%q: got %v, then %v, %v", name, o, again, err)
		}
	})
}

func FuzzStartTime(f *testing.F) {
	f.Add([]byte("1 (init) S 0 0"))
	f.Add([]byte("1 (a) b)" + strings.Repeat(" 7", 30)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if start, err := parseStartTime(text); err != nil && start != 0 {
			t.Errorf("got %d with %v", start, err)
		}
	})
}
