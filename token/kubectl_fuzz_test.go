package token_test

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/podjoule/podjoule/token"
)

// Whatever kubectl writes, its token is used for a sane time, and an error tells neither
// the token nor more than a line.
func FuzzKubectl(f *testing.F) {
	hour := jwt(`{"iat":1000,"exp":4600}`)
	for _, seed := range [][2]string{
		{"opaque-secret\n", "error: opaque-secret is odd"}, {hour, "denied for " + hour}, {hour, ""}, {"", "\x1b[31mno\r\nthing"},
		{jwt(`{"exp":1e308}`), "x"}, {jwt(`{"iat":-1,"exp":9}`), "\xff\xfe"}, {"two words", strings.Repeat("long ", 500)},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, stdout, stderr []byte) {
		text := token.Complaint(stderr, stdout)
		if len(text) > 8<<10 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%d bytes in the error: %q", len(text), text)
		}
		got, err := token.Check(stdout)
		if err != nil {
			return
		}
		if len(got) >= 4 && strings.Contains(strings.ReplaceAll(text, "<hidden>", ""), got) {
			t.Fatalf("the token %q is told: %q", got, text)
		}
		if after := token.RenewAfter(got); after < 10*time.Second || after > 24*time.Hour {
			t.Fatalf("%q is renewed after %v", got, after)
		}
	})
}
