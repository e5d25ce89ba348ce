package csv

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/podjoule/podjoule/agent/plugin"
)

func TestSize(t *testing.T) {
	f := func(text string, want Size, written string) {
		t.Helper()
		var c struct{ S Size }
		if _, err := toml.Decode("S = "+text, &c); err != nil || c.S != want {
			t.Errorf("%s: %d, %v; want %d", text, c.S, err, want)
		}
		if got, err := c.S.MarshalText(); err != nil || string(got) != written {
			t.Errorf("%s is written %q, %v; want %q", text, got, err, written)
		}
	}
	f(`"64MiB"`, 64<<20, "64MiB")
	f(`"1024MiB"`, 1<<30, "1GiB")
	f(`"500kB"`, 500_000, "500000B")
	f(`"1GB"`, 1_000_000_000, "1000000000B")
	f(`"4096B"`, 4096, "4KiB")
	f(`"0B"`, 0, "0B")
	f(`"9223372036854775807B"`, math.MaxInt64, "9223372036854775807B")
	for _, bad := range []string{`64`, `"64"`, `""`, `"B"`, `"MiB"`, `"-1B"`, `"1.5MiB"`, `"1 MiB"`, `"1mib"`, `"9223372036854775808B"`, `"9999999999TiB"`, `true`} {
		var c struct{ S Size }
		if _, err := toml.Decode("S = "+bad, &c); err == nil || !strings.Contains(err.Error(), "want a size") {
			t.Errorf("%s: %d, error %v, want one that says what is wanted", bad, c.S, err)
		}
	}
}

func TestValidateRotation(t *testing.T) {
	day := plugin.Duration(24 * time.Hour)
	for _, tt := range []struct {
		name, key string
		config    Config
	}{
		{"too often", "rotate_every", Config{Path: "a", RotateEvery: 1}},
		{"negative time", "rotate_every", Config{Path: "a", RotateEvery: -day}},
		{"negative number", "keep", Config{Path: "a", RotateEvery: day, Keep: -1}},
		{"keep of one file", "keep", Config{Path: "a", Keep: 1}},
		{"gzip of one file", "gzip", Config{Path: "a", Gzip: true}},
		{"standard output", "path", Config{Path: "-", RotateBytes: 1}},
		{"a name of compressed files", "path", Config{Path: "a.csv.gz", RotateBytes: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got *plugin.KeyError
			if err := tt.config.Validate(); !errors.As(err, &got) || got.Key != tt.key {
				t.Errorf("error %v, want one about the key %s", err, tt.key)
			}
		})
	}
}
