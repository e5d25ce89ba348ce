package otlp

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

// httpTo makes a client as Open does.
func httpTo(t *testing.T, url string) *httpClient {
	t.Helper()
	to, err := parseEndpoint(HTTP, url)
	if err != nil {
		t.Fatal(err)
	}
	c := newHTTP(link{to: to, version: "test"}, transport(link{}))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestHTTPAnswers shows what a real client makes of the answers of a server:
// what is tried again, and what the error says.
func TestHTTPAnswers(t *testing.T) {
	refusal, err := proto.Marshal(&rpcstatus.Status{Message: "bad \x00point"})
	if err != nil {
		t.Fatal(err)
	}
	partial := pmetricotlp.NewExportResponse()
	partial.PartialSuccess().SetRejectedDataPoints(3)
	partialProto, err := partial.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		code      int
		mediaType string
		body      string
		retry     bool
		rejected  int64
		err       string // empty: taken
	}{
		{name: "empty", code: 200},
		{name: "no content", code: 204},
		{name: "protobuf", code: 200, mediaType: protobufType, body: ""},
		{name: "partial", code: 200, mediaType: protobufType, body: string(partialProto), rejected: 3},
		{name: "json", code: 200, mediaType: "application/json; charset=utf-8",
			body: `{"partialSuccess":{"rejectedDataPoints":"2"}}`, rejected: 2},
		{name: "plain text", code: 202, mediaType: "text/plain", body: "accepted"},
		{name: "unknown", code: 200, mediaType: "application/x-thanks", body: "\xff"},
		{name: "a web page", code: 200, mediaType: "text/html", body: "<html>", err: "the answer is not OTLP (it is a web page), so the data may be lost"},
		{name: "garbage", code: 200, mediaType: protobufType, body: "\xff\xff\xff", err: "answered 200, but the answer is not OTLP"},
		{name: "broken json", code: 200, mediaType: "application/json", body: "{", err: "answered 200, but the answer is not OTLP"},
		{name: "endless", code: 200, mediaType: protobufType, body: strings.Repeat("x", 1<<20), err: "it is longer than 65536 bytes"},
		{name: "bad request", code: 400, mediaType: protobufType, body: string(refusal), err: "answered 400 Bad Request: bad  point: " + seeLog},
		{name: "garbage refusal", code: 400, mediaType: protobufType, body: "\xff\xff", err: "answered 400 Bad Request: " + seeLog},
		{name: "unauthorized", code: 401, err: "answered 401 Unauthorized: the receiver wants credentials"},
		{name: "forbidden", code: 403, err: "answered 403 Forbidden: the receiver wants credentials"},
		{name: "not found", code: 404, mediaType: "text/html", body: "<html>", err: "answered 404 Not Found: does this endpoint take OTLP metrics? port 4317 is gRPC, 4318 is HTTP"},
		{name: "too large", code: 413, err: "raise the limits of the receiver"},
		{name: "redirect", code: 307, err: "answered 307 Temporary Redirect: redirects are not followed"},
		{name: "server error", code: 500, mediaType: "text/plain", body: "oh\nno", err: "answered 500 Internal Server Error: oh no"},
		{name: "overloaded", code: 429, retry: true, err: "answered 429 Too Many Requests"},
		{name: "bad gateway", code: 502, retry: true, err: "the proxy before the receiver does not reach it"},
		{name: "unavailable", code: 503, retry: true, err: "answered 503 Service Unavailable"},
		{name: "gateway timeout", code: 504, retry: true, err: "answered 504 Gateway Timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			paths := make(chan string, 10)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				paths <- r.URL.Path
				if tt.mediaType != "" {
					w.Header().Set("Content-Type", tt.mediaType)
				} else {
					w.Header()["Content-Type"] = nil
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.code)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer s.Close()
			a, err := httpTo(t, s.URL).export(t.Context(), []byte("request"))
			if a.code != fmt.Sprint(tt.code) || a.retry != tt.retry || a.rejected != tt.rejected {
				t.Errorf("got answer %+v, want code %d, retry %v, rejected %d", a, tt.code, tt.retry, tt.rejected)
			}
			if (err == nil) != (tt.err == "") {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.err) || !strings.HasPrefix(err.Error(), "export to "+s.URL+"/v1/metrics: ")) {
				t.Errorf("got error %q, want the endpoint and %q", err, tt.err)
			}
			if path := <-paths; path != "/v1/metrics" || len(paths) > 0 {
				t.Errorf("asked for %s and %d more, want /v1/metrics once", path, len(paths))
			}
		})
	}
}

// TestHTTPRequest shows what goes over the wire.
func TestHTTPRequest(t *testing.T) {
	got := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			got <- err.Error()
			return
		}
		text, err := io.ReadAll(body)
		got <- fmt.Sprint(r.Method, " ", r.Header.Get("Content-Type"), " ", r.Header.Get("Content-Encoding"), " ",
			r.Header.Get("User-Agent"), " ", string(text), " ", err)
	}))
	defer s.Close()
	c := httpTo(t, s.URL)
	for _, body := range []string{"first request", "second"} { // the compressor is used again
		if _, err := c.export(t.Context(), []byte(body)); err != nil {
			t.Fatal(err)
		}
		if got, want := <-got, "POST application/x-protobuf gzip podjoule/test "+body+" <nil>"; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
}

// TestPlainRequest shows that requests go as they are where no compression is wanted.
func TestPlainRequest(t *testing.T) {
	got := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		got <- fmt.Sprint(r.Header.Get("Content-Encoding"), string(text), err)
	}))
	defer s.Close()
	to, err := parseEndpoint(HTTP, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := newHTTP(link{to: to, plain: true}, transport(link{}))
	defer c.Close()
	if _, err := c.export(t.Context(), []byte("request")); err != nil {
		t.Fatal(err)
	}
	if got := <-got; got != "request<nil>" {
		t.Errorf("sent %q, want the request alone", got)
	}
}

// TestHTTPBroken talks to what is no whole HTTP server.
func TestHTTPBroken(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		code       string
		retry      bool
		err        string
	}{
		{"closes at once", "", noAnswer, true, "EOF"},
		{"half a head", "HTTP/1.1 200 O", noAnswer, true, wrongPort},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100\r\n\r\nhalf", "200", false, "unexpected EOF"},
		{"half a refusal", "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf", "400", false, "answered 400 Bad Request: " + seeLog},
		{"another protocol", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00", noAnswer, true, wrongPort},
		{"endless head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20), noAnswer, true, wrongPort},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := httpTo(t, "http://"+speak(t, tt.says))
			a, err := c.export(t.Context(), []byte("request"))
			if a.code != tt.code || a.retry != tt.retry || err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got answer %+v and error %v, want code %s, retry %v and %q", a, err, tt.code, tt.retry, tt.err)
			}
		})
	}
}

// speak listens on loopback, reads a little of each connection, answers with a
// text and closes it.
func speak(t *testing.T, text string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 64<<10))
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// TestHTTPTrust shows that a certificate that nobody signed is refused, that
// the error says so, and that the data are kept.
func TestHTTPTrust(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	defer s.Close()
	a, err := httpTo(t, s.URL).export(t.Context(), []byte("request"))
	if !a.retry || err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority: "+untrusted) {
		t.Errorf("got answer %+v and error %v, want one about the certificate, and retry", a, err)
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-7": 0, "1.5": 0, "99999999999999999999": 0, "soon": 0,
		"Mon, 02 Jan 2006 15:04:05 GMT": 0,
	} {
		if got := retryAfter(value); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
	date := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	if got := retryAfter(date); got <= 30*time.Minute || got > time.Hour {
		t.Errorf("retryAfter(%q) = %v, want about an hour", date, got)
	}
}

func FuzzJudgeReply(f *testing.F) {
	f.Add(200, protobufType, "", []byte("\x0a\x04\x08\x01\x12\x00"))
	f.Add(200, "application/json", "", []byte(`{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"x"}}`))
	f.Add(503, "text/plain", "120", []byte("busy\r\n\x1b[31m"))
	f.Add(429, "text/html; x", "Mon, 02 Jan 2036 15:04:05 GMT", []byte("<html>"))
	f.Add(400, protobufType, "-1", []byte("\x12\x03bad"))
	f.Fuzz(func(t *testing.T, code int, mediaType, after string, body []byte) {
		header := http.Header{"Content-Type": {mediaType}, "Retry-After": {after}}
		for _, bad := range []error{nil, errors.New("cut off")} {
			a, err := judgeReply(code, header, body, bad)
			taken := code >= 200 && code < 300
			if taken && a.retry || err == nil && (!taken || bad != nil) {
				t.Errorf("code %d: retry %v, error %v", code, a.retry, err)
			}
			if a.after < 0 || a.after > 0 && !a.retry {
				t.Errorf("code %d: wait %v, retry %v", code, a.after, a.retry)
			}
			if text := fmt.Sprint(err) + a.message; strings.ContainsAny(text, "\n\r\x1b\x00") || !utf8.ValidString(text) ||
				utf8.RuneCountInString(text) > 3*maxText {
				t.Errorf("code %d: the text is not one short line: %q", code, text)
			}
		}
	})
}
