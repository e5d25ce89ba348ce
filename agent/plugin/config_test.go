package plugin

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

func TestDuration(t *testing.T) {
	f := func(text string, want time.Duration, written string) {
		t.Helper()
		var c struct{ D Duration }
		if _, err := toml.Decode("D = "+text, &c); err != nil || time.Duration(c.D) != want {
			t.Errorf("%s: %v, %v; want %v", text, time.Duration(c.D), err, want)
		}
		if got, err := c.D.MarshalText(); err != nil || string(got) != written {
			t.Errorf("%s is written %q, %v; want %q", text, got, err, written)
		}
	}
	f(`"5s"`, 5*time.Second, "5s")
	f(`"300s"`, 5*time.Minute, "5m")
	f(`"1h"`, time.Hour, "1h")
	f(`"1h30m"`, 90*time.Minute, "1h30m")
	f(`"90m1s"`, 90*time.Minute+time.Second, "1h30m1s")
	f(`"1.5ms"`, 1500*time.Microsecond, "1.5ms")
	f(`"0s"`, 0, "0s")
	f(`"-10m"`, -10*time.Minute, "-10m")
	for _, bad := range []string{`5`, `5.0`, `"5"`, `""`, `"5 s"`, `true`, `["5s"]`} {
		var c struct{ D Duration }
		if _, err := toml.Decode("D = "+bad, &c); err == nil || !strings.Contains(err.Error(), "want a duration") {
			t.Errorf("%s: error %v, want one that says what is wanted", bad, err)
		}
	}
}

func TestCheckInterval(t *testing.T) {
	if err := CheckInterval("poll_interval", Duration(MinInterval)); err != nil {
		t.Error(err)
	}
	for _, d := range []time.Duration{0, -time.Second, MinInterval - 1} {
		err := CheckInterval("poll_interval", Duration(d))
		var key *KeyError
		if !errors.As(err, &key) || key.Key != "poll_interval" {
			t.Errorf("%v: error %v, want one about poll_interval", d, err)
		}
	}
}

func TestRenames(t *testing.T) {
	r := Renames{"name": "pod"}
	if r.Name("name") != "pod" || r.Name("uid") != "uid" || Renames(nil).Name("uid") != "uid" {
		t.Error("wrong names")
	}
	if err := r.Check([]string{"name", "uid"}); err != nil {
		t.Error(err)
	}
	for _, bad := range []Renames{{"name": "uid"}, {"name": ""}, {"name": "x", "uid": "x"}} {
		var key *KeyError
		if err := bad.Check([]string{"name", "uid"}); !errors.As(err, &key) || key.Key != "rename_attributes" {
			t.Errorf("%v: error %v, want one about rename_attributes", bad, err)
		}
	}
	// Names may be swapped.
	if err := (Renames{"name": "uid", "uid": "name"}).Check([]string{"name", "uid"}); err != nil {
		t.Error(err)
	}
}
