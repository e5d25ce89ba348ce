package otlp

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// maxReply bounds what is read of an answer, in bytes.
const maxReply = 64 << 10

// Back-off between the attempts to deliver one request.
const (
	firstWait = time.Second
	maxWait   = 30 * time.Second
	// maxAsked bounds what a receiver may ask for: beyond it, the answer is
	// more likely garbage than a wish, and the queue is lost either way.
	maxAsked = 5 * time.Minute
)

// client delivers encoded requests, each in one attempt, never two at once.
type client interface {
	// export sends one request. With an error, the answer tells whether to try
	// again.
	export(ctx context.Context, request []byte) (answer, error)
	io.Closer
}

// answer is how a receiver answered a request.
type answer struct {
	// code names the outcome, for the counter of requests.
	code string
	// retry tells that the same request may be taken later.
	retry bool
	// after is how long the receiver asked to wait before that, or 0.
	after time.Duration
	// rejected is how many points of an accepted request were not taken, and
	// message says why.
	rejected int64
	message  string
}

// noAnswer is the code of a request that nobody answered.
const noAnswer = "no_answer"

// wait returns how long to wait before the next attempt, and the wait to go on
// with after that. It is never shorter than the receiver asked for, and random
// above, so that the agents of a cluster do not all come back at once.
func (a answer) wait(step time.Duration) (now, next time.Duration) {
	now = max(step, min(a.after, maxAsked))
	return now + rand.N(now/4), min(2*step, maxWait)
}

// accept fills in what the reply to an accepted request says.
func (a *answer) accept(reply pmetricotlp.ExportResponse) {
	partial := reply.PartialSuccess()
	a.rejected, a.message = partial.RejectedDataPoints(), clip(partial.ErrorMessage())
}

// maxText bounds texts from outside, in characters.
const maxText = 300

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
