package token_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/token"
)

func TestCheckServer(t *testing.T) {
	tests := []struct {
		url           string
		allowInsecure bool
		want          []string // nil: fine
	}{
		{"https://kubernetes.default.svc:443", false, nil},
		{"https://127.0.0.1:6443", false, nil},
		{"http://127.0.0.1:8080", false, nil},
		{"http://127.8.9.10", false, nil},
		{"http://[::1]:8080", false, nil},
		{"http://[::ffff:127.0.0.1]:8080", false, nil},
		{"http://localhost:8080", false, nil},
		{"http://LOCALHOST.", false, nil},
		{"http://api.example:8080", true, nil},
		{"http://user:secret@api.example:8080/path?token=secret", false,
			[]string{"http://api.example:8080", "use https", "allow_insecure_token = true"}},
		{"http://10.0.0.1", false, []string{"http://10.0.0.1"}},
		{"http://0.0.0.0:8080", false, []string{"http://0.0.0.0:8080"}},
		{"http://[fe80::1]", false, []string{"http://[fe80::1]"}},
		{"http://localhost.example", false, []string{"http://localhost.example"}},
		{"http://127.0.0.1.example", false, []string{"http://127.0.0.1.example"}},
		{"ftp://api.example", true, []string{"api.example", "neither https nor http"}},
		{"https://", false, []string{"names no host"}},
		{"/api", true, []string{"names no host"}},
	}
	for _, tt := range tests {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		err = token.CheckServer(u, tt.allowInsecure)
		if tt.want == nil {
			if err != nil {
				t.Errorf("%s: %v", tt.url, err)
			}
			continue
		}
		wantError(t, err, tt.want...)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: a password is printed: %v", tt.url, err)
		}
	}
	wantError(t, token.CheckServer(nil, true), "names no host")
}
