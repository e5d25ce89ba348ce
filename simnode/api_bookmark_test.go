package simnode

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// eventLog notes when the events of a watch were sent.
type eventLog struct {
	*httptest.ResponseRecorder
	begin time.Time
	sent  []string
}

func (l *eventLog) Write(b []byte) (int, error) {
	for lines := bufio.NewScanner(strings.NewReader(string(b))); lines.Scan(); {
		kind, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), `{"type":"`), `"`)
		l.sent = append(l.sent, time.Since(l.begin).String()+" "+kind)
	}
	return len(b), nil
}

// A watch that allows bookmarks gets one each minute, and one before its end.
func TestBookmarksComeByThemselves(t *testing.T) {
	tests := []struct {
		name, query string
		want        []string
		end         time.Duration
	}{
		{"some minutes", "&allowWatchBookmarks=true&timeoutSeconds=150", []string{"0s ADDED", "1m0s BOOKMARK", "2m0s BOOKMARK", "2m28s BOOKMARK"}, 150 * time.Second},
		{"a minute and its last seconds", "&allowWatchBookmarks=true&timeoutSeconds=62", []string{"0s ADDED", "1m0s BOOKMARK"}, 62 * time.Second},
		{"a moment", "&allowWatchBookmarks=true&timeoutSeconds=2", []string{"0s ADDED"}, 2 * time.Second},
		{"not allowed", "&timeoutSeconds=150", []string{"0s ADDED"}, 150 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := NewAPI()
				a.Put(testPod("shop", "cart", "n1"))
				log := &eventLog{ResponseRecorder: httptest.NewRecorder(), begin: time.Now()}
				a.ServeHTTP(log, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/pods?watch=true"+tt.query, nil))
				if !slices.Equal(log.sent, tt.want) || time.Since(log.begin) != tt.end {
					t.Errorf("got %q and the end after %v, want %q and %v", log.sent, time.Since(log.begin), tt.want, tt.end)
				}
			})
		})
	}
}
