package k8s

import (
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
	return d.Decoder.Decode(data, defaults, into)
}
