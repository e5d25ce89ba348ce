package token_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/token"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name, content, want, err string
	}{
		{"plain", "opaque", "opaque", ""},
		{"white space around", " \t opaque\r\n\n", "opaque", ""},
		{"JWT", "eyJh.eyJz.c2ln", "eyJh.eyJz.c2ln", ""},
		{"RFC 6750 alphabet", "aZ09-._~+/==", "aZ09-._~+/==", ""},
		{"largest", strings.Repeat("t", 64<<10), strings.Repeat("t", 64<<10), ""},
		{"empty", "", "", "empty"},
		{"white space only", " \n\t\r\n", "", "empty"},
		{"inner space", "two words", "", "byte 4 is"},
		{"inner line break", "one\ntwo", "", "byte 4 is"},
		{"null byte", "tok\x00en", "", "byte 4 is"},
		{"escape", "\x1b[31mred", "", "byte 1 is"},
		{"delete", "token\x7f.", "", "byte 6 is"},
		{"not ASCII", "jéton", "", "byte 2 is"},
		{"byte order mark", "\xef\xbb\xbftoken", "", "byte 1 is"},
		{"too large", strings.Repeat("t", 64<<10+1), "", "more than 64 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := token.Check([]byte(tt.content))
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error is %v, want %q", err, tt.err)
			}
			if got != tt.want {
				t.Errorf("got %.80q, want %.80q", got, tt.want)
			}
		})
	}
}

// What is accepted goes through net/http unchanged, and what is refused leaves
// nothing of itself in the error.
func FuzzToken(f *testing.F) {
	for _, seed := range []string{"", "token\n", "a b", "a\r\nHost: x", "\x00", "jéton", "eyJh.eyJz.c2ln", "\u00a0x", "x\u0085"} {
		f.Add([]byte(seed))
	}
	known := regexp.MustCompile(`^(empty|more than 64 KiB, which is no token|` +
		`byte \d+ is a space, a line break or another character that cannot stand in an HTTP header)$`)
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := token.Check(content)
		if err != nil {
			if !known.MatchString(err.Error()) || got != "" {
				t.Fatalf("%q: %q, %v", content, got, err)
			}
			return
		}
		if !strings.Contains(string(content), got) || got != strings.TrimSpace(got) || got == "" {
			t.Fatalf("%q became %q", content, got)
		}
		req, err := http.ReadRequest(newReader("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + got + "\r\n\r\n"))
		if err != nil {
			t.Fatalf("%q makes a bad request: %v", content, err)
		}
		if have := req.Header.Get("Authorization"); have != "Bearer "+got || len(req.Header) != 1 {
			t.Fatalf("%q arrives as %q", content, have)
		}
	})
}
