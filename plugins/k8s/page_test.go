package k8s

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A list in either form is told by how it begins. All else is an error that says that it
// cannot be read.
func TestPage(t *testing.T) {
	list := &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: []corev1.Pod{*oddPod()}}
	inJSON, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	binary := inProtobuf(t, list)
	decoder := newPodSerializer(new(choice)).decoder()
	for name, text := range map[string][]byte{"JSON": inJSON, "JSON after space": append([]byte("\n "), inJSON...), "protobuf": binary} {
		page, err := decoder.page(text)
		if err != nil || len(page.of(node)) != 1 {
			t.Errorf("%s: %+v, %v; want one pod", name, page, err)
		}
	}
	gone := &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: 410, Message: "too old"}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"nothing":              {nil, "no serialization format"},
		"a page of HTML":       {[]byte("<html>"), "no serialization format"},
		"half in JSON":         {inJSON[:len(inJSON)/2], "unexpected end"},
		"half in protobuf":     {binary[:len(binary)/2], "unexpected EOF"},
		"another kind":         {[]byte(`{"kind": "NodeList", "apiVersion": "v1"}`), "NodeList"},
		"a status":             {[]byte(`{"kind": "Status", "apiVersion": "v1", "code": 410, "message": "too old"}`), "too old"},
		"a status in protobuf": {inProtobuf(t, gone), "too old"},
	} {
		page, err := decoder.page(c.text)
		if page != nil || !errors.Is(err, errUnreadable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want %q in the error", name, page, err, c.want)
		}
	}
}

// An answer as long as the one before is read into a buffer that never grows.
func TestRoomForAnAnswer(t *testing.T) {
	s := new(server)
	const long = 1 << 20
	for i, want := range []struct{ length, least, most int }{
		{long, 1, long / 2}, {long + long/10, long + long/10, 2 * long}, {10, long, 2 * long}, {10, 10, 2000},
	} {
		room := &roomReader{Reader: strings.NewReader(strings.Repeat("x", want.length))}
		answer, err := s.whole(room)
		if err != nil || len(answer) != want.length {
			t.Fatalf("answer %d: %d bytes, want %d; %v", i, len(answer), want.length, err)
		}
		if room.first < want.least || room.first > want.most {
			t.Errorf("answer %d: room for %d bytes at first, want %d to %d", i, room.first, want.least, want.most)
		}
	}
	if _, err := s.whole(iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half an answer: %v", err)
	}
}
