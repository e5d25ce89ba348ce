package k8s

import (
	"bytes"
	"context"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/recognizer"
)

// page sends one request for pods.
func (s *server) page(ctx context.Context, options metav1.ListOptions) (*podObjectList, error) {
	body, err := s.request(options).Stream(quiet(ctx))
	if err != nil {
		return nil, s.explain("list", err)
	}
	defer body.Close()
	answer, err := s.whole(body)
	if err != nil {
		return nil, s.explain("list", err)
	}
	page, err := s.decoder.page(answer)
	if err != nil {
		return nil, s.explain("list", err)
	}
	return page, nil
}

// whole reads an answer. There is room for it from the start, as it is about as long
// as the one before: to make more again and again costs as much as the decoding.
func (s *server) whole(body io.Reader) ([]byte, error) {
	var answer bytes.Buffer
	before := int(s.length.Load())
	answer.Grow(before + before/8 + bytes.MinRead)
	if _, err := answer.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	s.length.Store(int64(answer.Len()))
	return answer.Bytes(), nil
}

// page decodes a PodList. A Status, as which a server may answer all the same, is its
// error.
func (d podDecoder) page(answer []byte) (*podObjectList, error) {
	page := &podObjectList{chosen: d.chosen}
	switch got, _, err := d.Decode(answer, nil, page); {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	case got != page:
		return nil, fmt.Errorf("%w: %w", errUnreadable, apierrors.FromObject(got))
	}
	return page, nil
}

// decoder returns a decoder of both forms, which tells them apart by how they begin.
func (s podSerializer) decoder() podDecoder {
	var forms []runtime.Decoder
	for _, info := range s.NegotiatedSerializer.SupportedMediaTypes() {
		if info.MediaType == runtime.ContentTypeJSON || info.MediaType == runtime.ContentTypeProtobuf {
			forms = append(forms, info.Serializer)
		}
	}
	return podDecoder{s.NegotiatedSerializer.DecoderToVersion(recognizer.NewDecoder(forms...), coreVersion()), s.chosen}
}
