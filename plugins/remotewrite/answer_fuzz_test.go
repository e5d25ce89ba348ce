package remotewrite

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/podjoule/podjoule/agent/family"
)

// trip is a receiver without a network.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzAnswer reads answers of any kind: a receiver never takes more than it was sent, what
// is final is never sent again, and what is told is one short line.
func FuzzAnswer(f *testing.F) {
	f.Add(204, "3", "", "", byte(mark2))
	f.Add(400, "-1", "", "out of order\nsample", byte(mark2))
	f.Add(429, "", "120", "<html>", byte(mark1))
	f.Add(503, "", "Sun, 01 Mar 2099 12:00:00 GMT", strings.Repeat("x", 1000), byte(mark1))
	f.Add(200, "99999999999999999999", "-1", "\xff\x00", byte(mark2))
	f.Fuzz(func(t *testing.T, status int, written, after, text string, mark byte) {
		if status < 100 || status > 999 || mark != mark1 && mark != mark2 {
			t.Skip("no answer, or no request")
		}
		const points = 7
		c := &client{url: "http://receiver/write?key=s3cret", version: "test", http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: trip(func(*http.Request) (*http.Response, error) {
				header := http.Header{writtenSamples: {written}, "Retry-After": {after}}
				return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(text))}, nil
			}),
		}}
		a, err := c.send(t.Context(), []byte{mark, 0}, points)
		if a.written < 0 || a.written > points || (a.written == points && status/100 == 2) != (err == nil) {
			t.Errorf("%d of %d points are taken, and the error is %v", a.written, points, err)
		}
		if again := status == http.StatusTooManyRequests || status/100 == 5; a.retry != again {
			t.Errorf("%d is sent again: %v", status, a.retry)
		}
		if now, next := a.wait(firstWait); now < firstWait || now > maxAsked*5/4 || next != 2*firstWait {
			t.Errorf("waits %v, then from %v", now, next)
		}
		if err == nil {
			return
		}
		if line := err.Error(); utf8.RuneCountInString(line) > 2*maxText || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(line, "s3cret") {
			t.Errorf("%q is told", line)
		}
	})
}

// FuzzQueuedRequest sends what may be in a folder that is the queue's no more: only what has
// the mark of a version reaches the receiver, as it is.
func FuzzQueuedRequest(f *testing.F) {
	n := newNode()
	for _, version := range []string{Version1, Version2} {
		f.Add(encoded(f, n, version))
	}
	f.Add([]byte(nil))
	f.Add([]byte("\x0a\x03otlp"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sent := 0
		c := &client{url: "http://receiver/write", version: "test", http: &http.Client{
			Transport: trip(func(r *http.Request) (*http.Response, error) {
				sent++
				got, err := io.ReadAll(r.Body)
				if err != nil || string(got) != string(body[1:]) {
					t.Errorf("sent %q, error %v, want %q", got, err, body[1:])
				}
				return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{writtenSamples: {"3"}}, Body: http.NoBody}, nil
			}),
		}}
		a, err := c.send(t.Context(), body, 3)
		marked := len(body) > 0 && (body[0] == mark1 || body[0] == mark2)
		if marked != (sent == 1) || marked != (err == nil) || a.retry || sent > 1 {
			t.Errorf("%q was sent %d times: answer %+v, error %v", body, sent, a, err)
		}
	})
}

// encoded is a request as it waits in the queue.
func encoded(t testing.TB, n *node, version string) []byte {
	t.Helper()
	families, err := family.New(n.metrics(), nil)
	if err != nil {
		t.Fatal(err)
	}
	points, err := newState(families, map[string]string{"job": "podjoule"}).take(batch(0, n.sample))
	if err != nil {
		t.Fatal(err)
	}
	return newEncoder(version).requests(points, tick)[0].Body
}
