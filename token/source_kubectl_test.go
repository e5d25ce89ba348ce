package token_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/token"
)

// counting is a script that prints another token each time.
const counting = `echo "token-$(wc -l <runs)"` + "\n"

func TestKubectlArguments(t *testing.T) {
	tests := []struct {
		config token.Config
		want   string
	}{
		{token.Config{}, "create token alumet-reader -n alumet"},
		{token.Config{ServiceAccount: "reader"}, "create token reader -n alumet"},
		{token.Config{Namespace: "energy"}, "create token alumet-reader -n energy"},
		{token.Config{ServiceAccount: "reader", Namespace: "energy"}, "create token reader -n energy"},
	}
	for _, tt := range tests {
		dir := kubectl(t, "echo opaque")
		tt.config.Strategy = token.Kubectl
		wantToken(t, token.New(tt.config), "opaque")
		if diff := cmp.Diff([]string{tt.want}, runs(t, dir)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.config, diff)
		}
	}
}

func TestKubectlErrors(t *testing.T) {
	const secret = "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl"
	tests := []struct {
		name, script string
		want         []string
		hidden       string
	}{
		{"fails", "echo 'error: You must be logged in' >&2\nexit 1", []string{"exit status 1", "error: You must be logged in"}, ""},
		{"lines are joined", "printf 'one\\n\\ttwo\\033[31m\\n' >&2\nexit 1", []string{": one two [31m"}, "\n"},
		{"long, the end counts", "seq 100000 >&2\necho refused >&2\nexit 1", []string{"… ", "99999 100000 refused"}, " 1000 "},
		{"fails after the token", "echo " + secret + "\necho denied for " + secret + " >&2\nexit 3",
			[]string{"exit status 3", "denied for <hidden>"}, secret},
		{"an opaque token on both", "echo opaque-secret\necho 'have <opaque-secret>' >&2\nexit 1",
			[]string{"have <hidden>"}, "opaque-secret"},
		{"a piece of an opaque token", "echo opaque-secret\necho 'have opaque-s...' 'opaque-sec' >&2\nexit 1",
			[]string{"have opaque-s... <hidden>"}, "opaque-sec"},
		{"a token on standard error", "echo " + secret + " >&2\nexit 1", []string{"<hidden>"}, secret},
		{"nothing", "", []string{"bad answer: empty"}, ""},
		{"words", "echo 'not a token'\necho 'Warning: odd' >&2", []string{"bad answer: byte 4 is", "Warning: odd"}, "not a token"},
		{"two lines", "echo first\necho second", []string{"bad answer: byte 6 is"}, "first"},
		{"without end", "yes secret | head -c 1000000", []string{"bad answer: more than 64 KiB"}, "secret"},
		{"binary", `printf 'secret\000\001'`, []string{"bad answer: byte 7 is"}, "secret"},
		{"killed", "kill -9 $$", []string{"signal: killed"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kubectl(t, tt.script)
			_, err := token.New(token.Config{Strategy: token.Kubectl}).Token(t.Context())
			wantError(t, err, append(tt.want, "kubectl create token alumet-reader -n alumet: ")...)
			if err == nil {
				return
			}
			if tt.hidden != "" && strings.Contains(err.Error(), tt.hidden) {
				t.Errorf("%v\nholds %q", err, tt.hidden)
			}
			if len(err.Error()) > 1200 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestKubectlMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := token.New(token.Config{Strategy: token.Kubectl}).Token(t.Context())
	wantError(t, err, "kubectl is not in PATH", "install it", "token_retrieval.file")
}

func TestKubectlRenewal(t *testing.T) {
	tests := []struct {
		name, script string
		age          time.Duration
	}{
		{"JWT of an hour", "echo " + jwt(`{"iat":1000,"exp":4600}`) + "$(wc -l <runs)", 48 * time.Minute},
		{"opaque", counting, 10 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := kubectl(t, tt.script)
			synctest.Test(t, func(t *testing.T) {
				source := token.New(token.Config{Strategy: token.Kubectl})
				first, err := source.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.age - 1)
				wantToken(t, source, first)
				wantRuns(t, dir, 1)
				time.Sleep(1)
				second, err := source.Token(t.Context())
				if err != nil || second == first {
					t.Errorf("got %q and %v, want a new one", second, err)
				}
				wantRuns(t, dir, 2)
			})
		})
	}
}

// Failures are remembered for a while; a token at hand outlives them.
func TestKubectlBackOff(t *testing.T) {
	dir := kubectl(t, "echo down >&2\nexit 1\n")
	synctest.Test(t, func(t *testing.T) {
		source := token.New(token.Config{Strategy: token.Kubectl})
		for range 5 {
			_, err := source.Token(t.Context())
			wantError(t, err, "down")
		}
		wantRuns(t, dir, 1)
		rewrite(t, dir, counting)
		time.Sleep(10*time.Second - 1)
		_, err := source.Token(t.Context())
		wantError(t, err, "down")
		time.Sleep(1)
		wantToken(t, source, "token-2")

		rewrite(t, dir, "echo down again >&2\nexit 1\n")
		time.Sleep(time.Hour)
		for range 5 {
			wantToken(t, source, "token-2")
		}
		wantRuns(t, dir, 3)
		wantError(t, source.Err(), "down again")
	})
}

// A server that refuses every token does not make kubectl run for each request.
func TestKubectlRefusedAgainAndAgain(t *testing.T) {
	dir := kubectl(t, counting)
	synctest.Test(t, func(t *testing.T) {
		source := token.New(token.Config{Strategy: token.Kubectl})
		wantToken(t, source, "token-1")
		source.Refuse("token-1")
		wantToken(t, source, "token-2") // at once
		source.Refuse("token-2")
		wantToken(t, source, "token-2")
		time.Sleep(10 * time.Second)
		wantToken(t, source, "token-2")
		source.Refuse("token-2")
		wantToken(t, source, "token-3")
		wantRuns(t, dir, 3)

		// The pauses grow to a minute, which is 60 and a few runs in an hour.
		for range 720 {
			time.Sleep(5 * time.Second)
			current, err := source.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			source.Refuse(current)
		}
		if n := len(runs(t, dir)); n < 58 || n > 64 {
			t.Errorf("kubectl ran %d times in an hour, want about 60", n)
		}

		// A token that was good for a while is replaced at once when it is refused.
		time.Sleep(9 * time.Minute)
		current, err := source.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := len(runs(t, dir))
		source.Refuse(current)
		wantToken(t, source, fmt.Sprint("token-", before+1))
	})
}

// A kubectl that fails for an hour runs about once a minute, and is used 60 s after it works
// again at the latest.
func TestKubectlFailsForAnHour(t *testing.T) {
	dir := kubectl(t, "echo down >&2\nexit 1\n")
	synctest.Test(t, func(t *testing.T) {
		source := token.New(token.Config{Strategy: token.Kubectl})
		for range 720 {
			_, err := source.Token(t.Context())
			wantError(t, err, "down")
			time.Sleep(5 * time.Second)
		}
		if n := len(runs(t, dir)); n < 58 || n > 64 {
			t.Errorf("kubectl ran %d times in an hour, want about 60", n)
		}
		rewrite(t, dir, "echo opaque")
		time.Sleep(time.Minute)
		wantToken(t, source, "opaque")
	})
}
