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
	page, err := s.read(body)
	if err != nil {
		return nil, s.explain("list", err)
	}
	return page, nil
}

// largestBuffer is kept for the next answer: room for one of any node. A longer one is
// an accident, whose memory is given back.
const largestBuffer = 16 << 20

// read reads and decodes an answer. The buffer is that of the answer before, which was
// about as long, unless the garbage collector took it since: to make another one costs as
// much as the decoding. Nothing that is decoded is a part of it.
func (s *server) read(body io.Reader) (*podObjectList, error) {
	answer, _ := s.buffers.Get().(*bytes.Buffer)
	if answer == nil {
		answer = new(bytes.Buffer)
	}
	defer func() {
		if answer.Cap() <= largestBuffer {
			s.buffers.Put(answer)
		}
	}()
	answer.Reset()
	if _, err := answer.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return s.decoder.page(answer.Bytes())
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
