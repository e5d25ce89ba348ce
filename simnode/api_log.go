package simnode

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// logLimit is how many requests the log keeps.
const logLimit = 10_000

// Request is one request that the API server got.
type Request struct {
	Method, Path string
	Query        url.Values
	// Status is the HTTP status of the answer; 0 while there is none.
	Status int
	// Authorization tells whether the request had such a header.
	Authorization bool
}

// Watch tells whether the request was for a watch.
func (r Request) Watch() bool {
	value := r.Query.Get("watch")
	return r.Query.Has("watch") && value != "false" && value != "0"
}

// requestLog holds the latest requests in the order in which they came.
type requestLog struct {
	mu       sync.Mutex
	requests []*Request
}

// Requests returns the latest requests, up to 10,000, oldest first. A request
// is there from its arrival on.
func (a *API) Requests() []Request {
	a.log.mu.Lock()
	defer a.log.mu.Unlock()
	out := make([]Request, len(a.log.requests))
	for i, r := range a.log.requests {
		out[i] = *r
	}
	return out
}

// Count returns how many of the latest requests match.
func (a *API) Count(match func(Request) bool) int {
	n := 0
	for _, r := range a.Requests() {
		if match(r) {
			n++
		}
	}
	return n
}

// begin logs a request and returns a writer that logs the status of its answer.
func (l *requestLog) begin(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	req := &Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(),
		Authorization: r.Header.Get("Authorization") != "",
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.requests) == logLimit {
		l.requests = slices.Delete(l.requests, 0, logLimit/10)
	}
	l.requests = append(l.requests, req)
	return &loggedWriter{ResponseWriter: w, log: l, req: req}
}

type loggedWriter struct {
	http.ResponseWriter
	log *requestLog
	req *Request
}

func (w *loggedWriter) WriteHeader(code int) {
	w.status(code)
	w.ResponseWriter.WriteHeader(code)
}

func (w *loggedWriter) Write(b []byte) (int, error) {
	w.status(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// status keeps the first status, which is the one that is sent.
func (w *loggedWriter) status(code int) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if w.req.Status == 0 {
		w.req.Status = code
	}
}

func (w *loggedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
