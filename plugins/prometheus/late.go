package prometheus

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// late answers a request whose handler takes too long, while that goes on: callbacks of
// metrics are anybody's, and may hang.
type late struct {
	timer *time.Timer

	mu    sync.Mutex
	ended bool // one of the two has the say
}

// watchLate lets a request be answered when the time for a scrape is over. Whatever else
// is written to it comes after end.
func watchLate(w http.ResponseWriter) *late {
	l := new(late)
	l.mu.Lock() // the timer is not there yet
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(scrapeTimeout, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.ended {
			return
		}
		l.ended = true
		header := w.Header()
		// The length lets the answer be complete, though the connection cannot be used
		// again for as long as the handler hangs.
		header.Set("Content-Length", strconv.Itoa(len(tooLate())))
		header.Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(tooLate()))
		_ = http.NewResponseController(w).Flush() // else it goes out when the handler is back
	})
	return l
}

// end says that the handler is back. It returns whether it is the first to end the request,
// and so may answer.
func (l *late) end() bool {
	l.timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.ended
	l.ended = true
	return first
}
