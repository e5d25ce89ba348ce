package simnode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// watchTimeout ends a watch whose client names no timeoutSeconds, and
// maxWatchSeconds one whose client names very many.
const (
	watchTimeout    = 30 * time.Minute
	maxWatchSeconds = 24 * 60 * 60
)

// A watch that allows bookmarks gets one about each minute, and a last one shortly
// before its end, so that the next watch goes on from a version that is known.
const (
	bookmarkInterval = time.Minute
	lastBookmark     = 2 * time.Second // before the end
)

// nextBookmark tells when the next bookmark of a watch is due that has a time left;
// none follows the last.
func nextBookmark(left time.Duration) <-chan time.Time {
	after := min(bookmarkInterval, left-lastBookmark)
	if after <= 0 {
		return nil
	}
	return time.After(after)
}

// serveWatch streams changes until the client leaves, the watch's time is over,
// its version is forgotten or watches are cut.
func (a *API) serveWatch(w http.ResponseWriter, r *http.Request, s *selection) {
	info, ok := a.media.accepted(r.Header.Get("Accept"))
	if !ok {
		a.failAccept(w, r)
		return
	}
	timeout := watchTimeout
	if s.TimeoutSeconds != nil && *s.TimeoutSeconds > 0 {
		timeout = time.Duration(min(*s.TimeoutSeconds, maxWatchSeconds)) * time.Second
	}
	deadline := time.Now().Add(timeout)
	end := time.NewTimer(timeout)
	defer end.Stop()
	bookmark := nextBookmark(timeout)

	pods, version, next := a.store.current()
	if s.SendInitialEvents != nil && *s.SendInitialEvents && s.version > version {
		a.fail(w, r, tooLarge(s.version, version))
		return
	}
	out := newFrames(w, a.media, info)
	bookmarks, cuts, due := next.bookmarks, next.cuts, false
	initial := s.version == 0
	if s.SendInitialEvents != nil {
		initial = *s.SendInitialEvents
	}
	switch {
	case initial:
		for _, pod := range pods {
			if s.matches(pod) {
				out.pod(watch.Added, pod, pod.ResourceVersion)
			}
		}
		if s.SendInitialEvents != nil && s.AllowWatchBookmarks {
			out.bookmark(version, map[string]string{metav1.InitialEventsAnnotationKey: "true"})
		}
	case s.version > 0:
		version = s.version
	}

	for {
		var changes []change
		from := version
		if changes, version, next, ok = a.store.since(version); !ok {
			out.error(apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", from, version)))
			return
		}
		version = max(version, from) // a client may be ahead: it waits for what is newer
		if next.cuts != cuts {
			panic(http.ErrAbortHandler) // cuts the connection
		}
		for _, c := range changes {
			out.change(s, c)
		}
		if due || next.bookmarks != bookmarks {
			due, bookmarks = false, next.bookmarks
			if s.AllowWatchBookmarks {
				out.bookmark(version, nil)
			}
		}
		if out.flush() != nil {
			return
		}
		select {
		case <-next.wake:
		case <-bookmark:
			due, bookmark = true, nextBookmark(time.Until(deadline))
		case <-r.Context().Done():
			return
		case <-end.C:
			return
		}
	}
}

// frames writes the events of a watch. Its error sticks: after one, all else is
// void, and flush returns it.
type frames struct {
	media   media
	info    runtime.SerializerInfo
	out     io.Writer
	flusher *http.ResponseController
	err     error
}

func newFrames(w http.ResponseWriter, m media, info runtime.SerializerInfo) *frames {
	contentType := info.MediaType
	if info.MediaType == runtime.ContentTypeProtobuf {
		contentType += ";stream=watch"
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	return &frames{
		media: m, info: info,
		out:     info.StreamSerializer.NewFrameWriter(w),
		flusher: http.NewResponseController(w),
	}
}

// change sends what a change means to a client that sees a selection only: a
// pod that begins to match is added, one that no longer does is deleted.
func (f *frames) change(s *selection, c change) {
	before, after := s.matches(c.before), s.matches(c.after)
	version := formatVersion(c.version)
	switch {
	case before && after:
		f.pod(watch.Modified, c.after, version)
	case after:
		f.pod(watch.Added, c.after, version)
	case before:
		f.pod(watch.Deleted, c.before, version)
	}
}

func (f *frames) pod(kind watch.EventType, pod *corev1.Pod, version string) {
	p := *pod // its version differs, and the encoder writes its kind into it
	p.ResourceVersion = version
	f.send(kind, &p)
}

func (f *frames) bookmark(version uint64, annotations map[string]string) {
	f.send(watch.Bookmark, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: formatVersion(version), Annotations: annotations}})
}

func (f *frames) error(err error) {
	status := asStatus(err).Status()
	f.send(watch.Error, &status)
	_ = f.flush() // the watch ends anyway
}

func (f *frames) send(kind watch.EventType, obj runtime.Object) {
	if f.err != nil {
		return
	}
	var object, event bytes.Buffer
	f.err = f.media.encoder(f.info, obj).Encode(obj, &object)
	if f.err == nil {
		frame := metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: object.Bytes()}}
		f.err = f.info.StreamSerializer.Encode(&frame, &event)
	}
	if f.err == nil {
		_, f.err = f.out.Write(event.Bytes())
	}
}

// flush hands everything to the network. A writer that cannot flush hands it on
// when it likes.
func (f *frames) flush() error {
	if f.err == nil {
		if err := f.flusher.Flush(); !errors.Is(err, http.ErrNotSupported) {
			f.err = err
		}
	}
	return f.err
}
