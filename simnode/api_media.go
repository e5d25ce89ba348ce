package simnode

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"strings"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// media turns objects into JSON or protobuf and queries into options.
type media struct {
	codecs     serializer.WithoutConversionCodecFactory
	parameters runtime.ParameterCodec
	json       runtime.SerializerInfo
	protobuf   runtime.SerializerInfo
}

func newMedia() media {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Pod{}, &corev1.PodList{})
	scheme.AddKnownTypes(authv1.SchemeGroupVersion, &authv1.TokenRequest{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	codecs := serializer.NewCodecFactory(scheme)
	m := media{codecs: serializer.WithoutConversionCodecFactory{CodecFactory: codecs}, parameters: runtime.NewParameterCodec(scheme)}
	for _, info := range codecs.SupportedMediaTypes() {
		switch info.MediaType {
		case runtime.ContentTypeJSON:
			m.json = info
		case runtime.ContentTypeProtobuf:
			m.protobuf = info
		}
	}
	return m
}

// accepted returns the first media type of an Accept header that is known. An
// object in another form, such as a Table, is not.
func (m media) accepted(header string) (runtime.SerializerInfo, bool) {
	if header == "" {
		return m.json, true
	}
	for part := range strings.SplitSeq(header, ",") {
		name, parameters, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil || parameters["as"] != "" {
			continue
		}
		switch name {
		case m.json.MediaType, "application/*", "*/*":
			return m.json, true
		case m.protobuf.MediaType:
			return m.protobuf, true
		}
	}
	return m.json, false
}

// encoder returns what writes objects with their kind and version.
func (m media) encoder(info runtime.SerializerInfo, obj runtime.Object) runtime.Encoder {
	version := corev1.SchemeGroupVersion
	if _, ok := obj.(*authv1.TokenRequest); ok {
		version = authv1.SchemeGroupVersion
	}
	return m.codecs.EncoderForVersion(info.Serializer, version)
}

// answer writes an object in the form that the client accepts.
func (a *API) answer(w http.ResponseWriter, r *http.Request, code int, obj runtime.Object) {
	info, ok := a.media.accepted(r.Header.Get("Accept"))
	if !ok && code < http.StatusBadRequest {
		a.failAccept(w, r)
		return
	}
	var body bytes.Buffer
	if err := a.media.encoder(info, obj).Encode(obj, &body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	text, err := compressed(w.Header(), r, body.Bytes())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", info.MediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(code)
	// A client that has gone away is no concern of the server.
	_, _ = w.Write(text)
}

// failAccept answers 406, in JSON.
func (a *API) failAccept(w http.ResponseWriter, r *http.Request) {
	a.fail(w, r, apierrors.NewGenericServerResponse(http.StatusNotAcceptable, r.Method, schema.GroupResource{}, "",
		"only application/json and application/vnd.kubernetes.protobuf can be had", 0, false))
}

// fail answers an error as a Status.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := asStatus(err).Status()
	if d := status.Details; d != nil && d.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(d.RetryAfterSeconds)))
	}
	a.answer(w, r, int(status.Code), &status)
}
