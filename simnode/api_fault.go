package simnode

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Fault answers a request in place of the server, which it gets as next.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// faults is the queue of faults to come.
type faults struct {
	mu    sync.Mutex
	queue []Fault
}

// Inject lets the next n requests run into a fault, after those that were
// injected before.
func (a *API) Inject(n int, fault Fault) {
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	for range n {
		a.faults.queue = append(a.faults.queue, fault)
	}
}

// ClearFaults takes back the faults that no request has met yet.
func (a *API) ClearFaults() {
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	a.faults.queue = nil
}

func (f *faults) next() Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return nil
	}
	fault := f.queue[0]
	f.queue = f.queue[1:]
	return fault
}

// AnswerStatus answers with an HTTP status of 400 or more and a Status of that
// code. With retryAfter above 0, in seconds, the client is told to come back.
func (a *API) AnswerStatus(code, retryAfter int) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		message := fmt.Sprintf("simulated fault: %s", http.StatusText(code))
		a.fail(w, r, apierrors.NewGenericServerResponse(code, r.Method, schema.GroupResource{}, "", message, retryAfter, true))
	}
}

// AnswerHalf gives the real answer, but cuts the connection in the middle of
// its body; of a watch, in the middle of its first event.
func AnswerHalf(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(halfWriter{w}, r)
}

type halfWriter struct{ http.ResponseWriter }

func (h halfWriter) Write(b []byte) (int, error) {
	if _, err := h.ResponseWriter.Write(b[:len(b)/2]); err != nil {
		return 0, err
	}
	// The abort follows whether the half could be handed on or not.
	_ = http.NewResponseController(h.ResponseWriter).Flush()
	panic(http.ErrAbortHandler) // cuts the connection
}

func (h halfWriter) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// AnswerGarbage answers 200 with bytes that are neither JSON nor protobuf,
// though the headers say that they are.
func AnswerGarbage(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	contentType, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	if contentType == "" || contentType == "*/*" {
		contentType = "application/json"
	}
	w.Header().Set("Content-Type", contentType)
	fmt.Fprint(w, "\x00<html>this is not the answer")
}

// AnswerNever keeps a request waiting until its client gives up.
func AnswerNever(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }
