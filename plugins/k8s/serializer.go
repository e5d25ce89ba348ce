package k8s

import (
	"bytes"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// podSerializer decodes what a server of the API says, and of pods what is chosen.
type podSerializer struct {
	runtime.NegotiatedSerializer
	chosen *choice
}

func newPodSerializer(chosen *choice) podSerializer {
	return podSerializer{serializer.NewCodecFactory(podScheme()).WithoutConversion(), chosen}
}

// SupportedMediaTypes implements runtime.NegotiatedSerializer.
func (s podSerializer) SupportedMediaTypes() []runtime.SerializerInfo {
	all := s.NegotiatedSerializer.SupportedMediaTypes()
	for i := range all {
		if stream := all[i].StreamSerializer; stream != nil && all[i].MediaType == runtime.ContentTypeProtobuf {
			lean := *stream
			lean.Serializer = eventSerializer{stream.Serializer}
			all[i].StreamSerializer = &lean
		}
	}
	return all
}

// DecoderToVersion implements runtime.NegotiatedSerializer.
func (s podSerializer) DecoderToVersion(d runtime.Decoder, version runtime.GroupVersioner) runtime.Decoder {
	return podDecoder{s.NegotiatedSerializer.DecoderToVersion(d, version), s.chosen}
}

// podDecoder decodes pods into objects that know what is chosen. What is no pod is
// decoded into an object of its own.
type podDecoder struct {
	runtime.Decoder
	chosen *choice
}

// Decode implements runtime.Decoder.
func (d podDecoder) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if into == nil {
		into = &podObject{chosen: d.chosen}
	}
	kind, enclosed := openEnvelope(data)
	var err error
	switch into := into.(type) {
	case *podObject:
		if kind != "Pod" {
			return d.Decoder.Decode(data, defaults, into)
		}
		err = into.Unmarshal(enclosed)
	case *podObjectList:
		if kind != "PodList" {
			return d.Decoder.Decode(data, defaults, into)
		}
		into.Reset()
		err = into.Unmarshal(enclosed)
	default:
		return d.Decoder.Decode(data, defaults, into)
	}
	of := coreVersion().WithKind(kind)
	if err != nil {
		return nil, &of, err
	}
	return into, &of, nil
}

// openEnvelope returns the kind of an object of the API's core in protobuf, and the object
// itself as a part of the message: the client's own decoder copies it first. Of all
// else, and of what is broken, it returns no kind, and that decoder says what it is. The
// envelope is described at
// https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
// and in generated.proto of k8s.io/apimachinery/pkg/runtime.
func openEnvelope(message []byte) (kind string, object []byte) {
	message, ok := bytes.CutPrefix(message, []byte("k8s\x00"))
	if !ok {
		return "", nil
	}
	var r fieldReader
	var version, encoding []byte
	for number, value := range r.fields(message) {
		switch number {
		case envelopeType:
			for number, value := range r.fields(value) {
				switch number {
				case typeVersion:
					version = value
				case typeKind:
					kind = string(value)
				}
			}
		case envelopeRaw:
			object = value
		case envelopeEncoding:
			encoding = value
		}
	}
	if r.err != nil || string(version) != coreVersion().Version || len(encoding) > 0 {
		return "", nil
	}
	return kind, object
}

// eventSerializer decodes the events of a watch in protobuf without a copy of their
// objects, which are valid until the next event is read: longer than the client needs
// them for decoding.
type eventSerializer struct{ runtime.Serializer }

// Decode implements runtime.Decoder.
func (s eventSerializer) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	event, ok := into.(*metav1.WatchEvent)
	if !ok {
		return s.Serializer.Decode(data, defaults, into)
	}
	var r fieldReader
	*event = metav1.WatchEvent{}
	for number, value := range r.fields(data) {
		switch number {
		case eventType:
			event.Type = string(value)
		case eventObject:
			for number, value := range r.fields(value) {
				if number == extensionRaw {
					event.Object.Raw = value
				}
			}
		}
	}
	if r.err != nil {
		return nil, nil, fmt.Errorf("decode an event of a watch: %w", r.err)
	}
	return event, nil, nil
}
