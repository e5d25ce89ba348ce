package token_test

import (
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/token"
)

func TestTransportBody(t *testing.T) {
	tests := []struct {
		name    string
		body    io.Reader
		getBody func() (io.ReadCloser, error) // nil: as net/http sets it
		status  int
		want    []string
	}{
		{"none", nil, nil, 200, []string{"", ""}},
		{"NoBody", http.NoBody, nil, 200, []string{"", ""}},
		{"repeatable", strings.NewReader("list"), nil, 200, []string{"list", "list"}},
		{"once", io.MultiReader(strings.NewReader("list")), nil, 401, []string{"list"}},
		{"not again", io.MultiReader(strings.NewReader("list")),
			func() (io.ReadCloser, error) { return nil, errors.New("gone") }, 401, []string{"list"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "token"), "old")
			s := &server{accepts: "new"}
			s.onRefuse = func() { write(t, path, "new") }
			ts, tr := start(t, s, true, path)
			req, err := http.NewRequest("POST", ts.URL, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.getBody != nil {
				req.GetBody = tt.getBody
			}
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if diff := cmp.Diff(tt.want, s.seenBodies()); diff != "" {
				t.Errorf("bodies (-want +got):\n%s", diff)
			}
			get(t, tr, ts.URL, 200, "welcome") // with the new token at the latest
		})
	}
}

// body tells whether it was closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The first answer is read and closed before the repeat, the second is not.
func TestTransportClosesFirstAnswer(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "token"), "old")
	var answers []*body
	tr := &token.Transport{
		Source: token.New(token.Config{Strategy: token.File, File: path}),
		Server: mustParse(t, "https://api.example"),
		Base: roundTripper(func(req *http.Request) (*http.Response, error) {
			for _, earlier := range answers {
				if n, _ := earlier.Read(make([]byte, 1)); n > 0 || !earlier.closed {
					t.Errorf("an earlier answer is left: %d bytes, closed %v", n, earlier.closed)
				}
			}
			write(t, path, "new")
			answers = append(answers, &body{Reader: strings.NewReader("no")})
			return &http.Response{StatusCode: 401, Body: answers[len(answers)-1]}, nil
		}),
	}
	req, err := http.NewRequest("GET", "https://API.example:443/api", nil) // the same server
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	if len(answers) != 2 || answers[1].closed {
		t.Errorf("%d requests, the last answer closed: %v", len(answers), answers[len(answers)-1].closed)
	}
}
