package k8s

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"k8s.io/apimachinery/pkg/runtime"
)

// transport counts the requests that pass through it, and sees to it that their
// answers can be read and come in time. The time that it takes to get a token
// does not count: that is done before, and kubectl is slower than any server.
type transport struct {
	next  http.RoundTripper
	count metric.Int64Counter
	limit time.Duration // for a whole answer, and for a watch to begin
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	limit := time.AfterFunc(t.limit, func() { cancel(errNoAnswer) })
	// A whole copy: the library sets headers in the request that it gets.
	resp, err := t.next.RoundTrip(r.Clone(ctx))
	code := "none"
	left := int64(answerLimit)
	watched := false
	switch {
	case err != nil:
		limit.Stop()
		err = late(ctx, err)
		cancel(nil)
	case resp.StatusCode == http.StatusOK && isWatch(r):
		limit.Stop() // its body is meant to last, event by event
		left, watched = math.MaxInt64, true
		fallthrough
	default:
		code = strconv.Itoa(resp.StatusCode)
		resp.Request = r
		resp.Body = &limitedBody{ReadCloser: resp.Body, ctx: ctx, end: func() { limit.Stop(); cancel(nil) }, left: left, watched: watched}
		nameContent(resp)
	}
	t.count.Add(r.Context(), 1, metric.WithAttributes(attribute.String("code", code)))
	return resp, err
}

// errNoAnswer is why a request was given up.
var errNoAnswer = errors.New("no answer in time")

// late tells an error that came of the limit from all others.
func late(ctx context.Context, err error) error {
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(ctx), errNoAnswer) {
		return fmt.Errorf("%w: %w", errNoAnswer, context.DeadlineExceeded)
	}
	return err
}

// limitedBody is a body whose reading the limits end: of time, and of bytes, as all
// of it is held in memory.
type limitedBody struct {
	io.ReadCloser
	ctx  context.Context
	end  func()
	left int64
	// watched says that the body is a watch's: one that is cut, for whatever reason,
	// just ends, and the next one goes on where it was.
	watched bool
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("an answer of more than %d MiB", answerLimit>>20)
	}
	if b.watched && err != nil && !errors.Is(err, io.EOF) {
		return n, io.ErrUnexpectedEOF
	}
	return n, late(b.ctx, err)
}

func (b *limitedBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// nameContent says that an answer is JSON where it is and does not say so. An API
// server always does, but what stands between may drop the header or guess it.
func nameContent(resp *http.Response) {
	switch kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind {
	case runtime.ContentTypeJSON, runtime.ContentTypeProtobuf:
		return
	}
	body := bufio.NewReader(resp.Body)
	if first, err := body.Peek(1); err == nil && first[0] == '{' {
		resp.Header.Set("Content-Type", runtime.ContentTypeJSON)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{body, resp.Body}
}
