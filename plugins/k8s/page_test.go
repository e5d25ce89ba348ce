package k8s

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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

// An answer is read into the buffer of the one before; nothing of either is left in what was
// decoded, and an error leaves nothing behind.
func TestAnswersShareABuffer(t *testing.T) {
	s := &server{decoder: newPodSerializer(new(choice)).decoder()}
	answer := func(uid string) []byte {
		p := oddPod()
		p.UID, p.Name = types.UID(uid), strings.Repeat(uid, 1000)
		list := &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: []corev1.Pod{*p}}
		list.Continue = uid
		return inProtobuf(t, list)
	}
	read := func(uid string) (*podObjectList, *roomReader) {
		room := &roomReader{Reader: bytes.NewReader(answer(uid))}
		list, err := s.read(room)
		if err != nil {
			t.Fatal(err)
		}
		return list, room
	}
	shared := 0
	for range 100 { // a collection, and the race detector, take buffers away
		first, _ := read("a")
		if _, err := s.read(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(answer("x"))))); !errors.Is(err, iotest.ErrTimeout) {
			t.Fatalf("half an answer: %v", err)
		}
		second, room := read("b")
		for uid, list := range map[string]*podObjectList{"a": first, "b": second} {
			pods := list.of(node)
			if len(pods) != 1 || pods[0].uid != uid || pods[0].name != strings.Repeat(uid, 1000) || list.Continue != uid {
				t.Fatalf("pods %+v, continue %q; want those of %q", pods, list.Continue, uid)
			}
		}
		if room.first >= len(answer("b")) {
			shared++
		}
	}
	if shared == 0 {
		t.Error("each answer has a buffer of its own")
	}
}

// The room for an answer that is far too long is not kept.
func TestLongAnswerLeavesNoBuffer(t *testing.T) {
	s := &server{decoder: newPodSerializer(new(choice)).decoder()}
	for range 10 {
		if _, err := s.read(io.LimitReader(endless{}, largestBuffer+1)); !errors.Is(err, errUnreadable) {
			t.Fatalf("error %v, want %v", err, errUnreadable)
		}
		room := &roomReader{Reader: strings.NewReader("{")}
		if _, err := s.read(room); !errors.Is(err, errUnreadable) || room.first > largestBuffer {
			t.Fatalf("room for %d bytes, want %d at most; %v", room.first, largestBuffer, err)
		}
	}
}
