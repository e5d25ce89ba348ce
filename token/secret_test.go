package token_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/podjoule/podjoule/token"
)

// No way to fail prints the token.
func TestNoErrorHoldsTheToken(t *testing.T) {
	for _, secret := range []string{"opaque0123456789012345678", jwt(`{"sub":"reader"}`)} {
		var failures []error
		collect := func(err error) {
			t.Helper()
			if err == nil {
				t.Error("no error")
				return
			}
			failures = append(failures, err)
		}

		for _, content := range []string{secret + " " + secret, secret + "\nx", "\x00" + secret, secret + "\x7f", strings.Repeat(secret, 10000)} {
			path := write(t, filepath.Join(t.TempDir(), "token"), content)
			_, err := token.New(token.Config{Strategy: token.File, File: path}).Token(t.Context())
			collect(err)
			kubectl(t, "cat '"+path+"'\ncat '"+path+"' >&2\necho refused >&2\n")
			_, err = token.New(token.Config{Strategy: token.Kubectl}).Token(t.Context())
			collect(err)
			_, err = token.New(token.Config{Strategy: token.Auto, File: path}).Token(t.Context())
			collect(err)
		}
		for _, script := range []string{"echo %s; echo %s >&2; exit 1", "echo %s; echo \"token='%s'\" >&2; kill -9 $$"} {
			kubectl(t, fmt.Sprintf(script, secret, secret))
			_, err := token.New(token.Config{Strategy: token.Kubectl}).Token(t.Context())
			collect(err)
		}
		for _, value := range []string{`= "%s"`, `.%s = "x"`, `.kubectl = { %s = "x" }`, `.kubectl = "%s"`, `= ["%s"]`,
			`.kubectl = { service_account = "%s/" }`, `.file = "%s\u0001"`} {
			var d document
			key := strings.ReplaceAll(secret, ".", "_")
			if strings.HasPrefix(value, "=") {
				key = secret
			}
			_, err := toml.Decode("token_retrieval"+fmt.Sprintf(value, key), &d)
			var parse toml.ParseError
			if !errors.As(err, &parse) {
				t.Errorf("%s: %v", value, err)
				continue
			}
			collect(errors.New(parse.Message)) // the rest is the decoder's
		}

		path := write(t, filepath.Join(t.TempDir(), "token"), secret)
		source := token.New(token.Config{Strategy: token.File, File: path})
		for _, base := range []http.RoundTripper{
			roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }),
			&http.Transport{},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // no traffic leaves
			tr := &token.Transport{Base: base, Source: source, Server: mustParse(t, "https://127.0.0.1:1")}
			req, err := http.NewRequestWithContext(ctx, "GET", "https://127.0.0.1:1/api", nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = (&http.Client{Transport: tr}).Do(req)
			collect(err)
		}
		_, err := (&token.Transport{Source: source, Server: mustParse(t, "http://api.example")}).
			RoundTrip(&http.Request{URL: mustParse(t, "http://api.example/")})
		collect(err)

		for _, err := range failures {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err.Error()); strings.Contains(text, secret) || strings.Contains(text, secret[8:]) {
				t.Errorf("holds the token: %v", err)
			}
		}
	}
}
