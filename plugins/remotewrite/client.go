package remotewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	promconfig "github.com/prometheus/common/config"

	"github.com/podjoule/podjoule/agent/plugin"
)

const (
	// maxReply bounds what is read of an answer, in bytes.
	maxReply = 64 << 10
	// maxText bounds texts from outside in errors, in characters.
	maxText = 300
)

// client delivers requests, each in one attempt.
type client struct {
	url     string
	version string // of the agent
	http    *http.Client
}

func newClient(c *Config, host *plugin.Host) (*client, error) {
	config, err := c.HTTPClient.library()
	if err != nil {
		return nil, &plugin.KeyError{Key: "http_client", Err: err}
	}
	var options []promconfig.HTTPClientOption
	if host.Dial != nil {
		options = append(options, promconfig.WithDialContextFunc(host.Dial))
	}
	over, err := promconfig.NewClientFromConfig(config, "podjoule", options...)
	if err != nil {
		return nil, plugin.Keyf("http_client", "%s", withoutValues(err.Error()))
	}
	return &client{url: c.URL, version: host.Version, http: over}, nil
}

// answer is how a receiver answered a request.
type answer struct {
	// code names the outcome, for the counter of requests.
	code string
	// retry tells that the same request may be taken later, and after how long the
	// receiver asked to wait before that.
	retry bool
	after time.Duration
	// written is how many of the points were taken.
	written int
}

// send sends one request, which begins with the mark of its version. An error tells
// why not all of its points were taken.
func (c *client) send(ctx context.Context, request []byte, points int) (answer, error) {
	// It may be a file that something else put into the folder of the queue.
	if len(request) == 0 || request[0] != mark1 && request[0] != mark2 {
		return answer{code: "none"}, fmt.Errorf("%d points are given up: what waited in the queue is no request of remote write: give each output a queue_dir of its own", points)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(request[1:]))
	if err != nil {
		return answer{code: "none"}, fmt.Errorf("prepare a request to %s: %w", c.name(), err)
	}
	contentType, version := "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"
	if request[0] == mark1 {
		contentType, version = "application/x-protobuf", "0.1.0"
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", version)
	req.Header.Set("User-Agent", "podjoule/"+c.version)

	resp, err := c.http.Do(req)
	if err != nil {
		remedy := unreachable(err)
		if ctx.Err() != nil {
			remedy = "the receiver is slow or unreachable: relieve it, or raise timeout"
		}
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err // the rest repeats method and URL
		}
		return answer{code: "no_answer", retry: true}, fmt.Errorf("write to %s: %s: %s", c.name(), clip(err.Error()), remedy)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxReply)) // of use in errors only
	a, err := judge(resp, string(text), request[0], points)
	if err != nil {
		return a, fmt.Errorf("write to %s: %w", c.name(), err)
	}
	return a, nil
}

// name is the receiver in errors: a query may hold a secret.
func (c *client) name() string {
	name, _, _ := strings.Cut(c.url, "?")
	return name
}

// Headers of answers to version 2.0: how much was taken.
const writtenSamples = "X-Prometheus-Remote-Write-Samples-Written"

// judge tells what an answer means for the request, by the rules of the specification.
func judge(resp *http.Response, text string, mark byte, points int) (answer, error) {
	code := resp.StatusCode
	a := answer{code: strconv.Itoa(code)}
	header := resp.Header.Get(writtenSamples)
	if written, err := strconv.Atoi(header); err == nil {
		a.written = min(max(0, written), points) // a receiver may say anything
	}
	said := fmt.Sprintf("answered %d %s", code, http.StatusText(code))
	if text = clip(text); text != "" {
		said += ": " + text
	}
	switch {
	case code/100 == 2 && mark == mark1:
		a.written = points
		return a, nil
	case code/100 == 2 && header == "":
		return a, fmt.Errorf("%s, without saying how much was written, so it was nothing: %s", said, speak1)
	case code/100 == 2 && a.written == points:
		return a, nil
	case code/100 == 2:
		return a, fmt.Errorf("%s, but took %d of %d samples: the receiver's own log may say more", said, a.written, points)
	case code/100 == 5 || code == http.StatusTooManyRequests:
		a.retry, a.after = true, retryAfter(resp.Header.Get("Retry-After"))
		return a, fmt.Errorf("%s: the receiver is overloaded or not ready", said)
	}
	return a, fmt.Errorf("%s: %s", said, remedy(code))
}

// Back-off between the attempts to deliver one request.
const (
	firstWait = time.Second
	maxWait   = 30 * time.Second
	// maxAsked bounds what a receiver may ask for.
	maxAsked = 5 * time.Minute
)

// wait returns how long to wait before the next attempt, and the wait to go on with
// after that. It is never shorter than the receiver asked for, and random above, so
// that the agents of a cluster do not all come back at once.
func (a answer) wait(step time.Duration) (now, next time.Duration) {
	now = max(step, min(a.after, maxAsked))
	return now + rand.N(now/4), min(2*step, maxWait)
}

// retryAfter reads seconds or a date; anything else asks for nothing.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

// clip makes a text from outside fit for an error: one short line.
func clip(s string) string {
	var out strings.Builder
	n := 0
	for _, r := range strings.TrimSpace(s) {
		if n++; n > maxText {
			out.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		out.WriteRune(r)
	}
	return out.String()
}
