package k8s

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/metric"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/token"
)

// requestTimeout bounds one request to the API server.
const requestTimeout = 10 * time.Second

// server is the API server, as far as one node's pods are concerned.
type server struct {
	url    string
	node   string
	client *rest.RESTClient
	token  *token.Source
}

// newServer makes a client. It knows pods and nothing else, which halves the
// size of the program against the full client.
func newServer(c *Config, node string, host *plugin.Host) (*server, error) {
	requests, err := host.Meter.Int64Counter("podjoule.k8s.api.requests",
		metric.WithDescription("Requests to the API server by status code, or \"none\" where no answer came"))
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(c.APIURL)
	if err != nil {
		return nil, fmt.Errorf("k8s_api_url: %w", err)
	}
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Pod{}, &corev1.PodList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})

	s := &server{url: c.APIURL, node: node, token: token.New(c.Token)}
	config := &rest.Config{
		Host:    c.APIURL,
		APIPath: "/api",
		ContentConfig: rest.ContentConfig{
			GroupVersion:         &corev1.SchemeGroupVersion,
			NegotiatedSerializer: serializer.NewCodecFactory(scheme).WithoutConversion(),
			ContentType:          runtime.ContentTypeProtobuf,
			AcceptContentTypes:   runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
		},
		UserAgent:      "podjoule/" + host.Version,
		QPS:            -1, // the pace is set in discover
		WarningHandler: rest.NoWarnings{},
		TLSClientConfig: rest.TLSClientConfig{
			Insecure: c.InsecureSkipVerify,
			CAFile:   caFile(c),
		},
		WrapTransport: func(next http.RoundTripper) http.RoundTripper {
			return &token.Transport{
				Base:   transport{next, requests, requestTimeout},
				Source: s.token, Server: base, AllowInsecure: c.AllowInsecureToken,
			}
		},
	}
	if s.client, err = rest.RESTClientFor(config); err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", c.APIURL, err)
	}
	return s, nil
}

// caFile returns the file that verifies the API server, or "" for the system's.
func caFile(c *Config) string {
	if c.CAFile != "" || c.InsecureSkipVerify {
		return c.CAFile
	}
	inPod := filepath.Join(filepath.Dir(token.DefaultFile), "ca.crt")
	if _, err := os.Stat(inPod); err == nil {
		return inPod
	}
	return ""
}

// list returns the node's pods. The answer may come from the API server's
// cache, which spares the cluster's store, and may be a moment old.
func (s *server) list(ctx context.Context) ([]corev1.Pod, error) {
	ctx = klog.NewContext(ctx, logr.Discard()) // what goes wrong comes back as an error
	var pods []corev1.Pod
	options := metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector("spec.nodeName", s.node).String(),
		ResourceVersion: "0",
	}
	for {
		var page corev1.PodList
		err := s.client.Get().Resource("pods").
			VersionedParams(&options, metav1.ParameterCodec).
			MaxRetries(0). // the next attempt is the caller's to time
			Do(ctx).Into(&page)
		if err != nil {
			return nil, s.explain(err)
		}
		pods = append(pods, page.Items...)
		if page.Continue == "" {
			return pods, nil
		}
		options.Continue, options.ResourceVersion = page.Continue, ""
	}
}

// explain adds to an error what failed and what can be done.
func (s *server) explain(err error) error {
	remedy := ""
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		code := status.Status().Code
		switch code {
		case http.StatusUnauthorized:
			remedy = "; the token was refused: check token_retrieval"
			if tokenErr := s.token.Err(); tokenErr != nil {
				remedy = "; no token could be had: " + tokenErr.Error()
			}
		case http.StatusForbidden:
			remedy = "; the service account needs the verbs list and watch on the resource pods, for all namespaces"
		case http.StatusNotFound:
			remedy = "; is k8s_api_url that of an API server?"
		}
		err = fmt.Errorf("status %d: %w", code, err)
	case errors.Is(err, errNoAnswer):
		remedy = fmt.Sprintf("; it was given %v", requestTimeout)
	case errors.As(err, new(*tls.CertificateVerificationError)):
		remedy = "; set ca_file to the certificate of the cluster's authority"
	case errors.As(err, new(*net.OpError)):
		remedy = "; is it running there? kubectl proxy --port=8080 makes one available locally"
	}
	return fmt.Errorf("list the pods of node %s at %s: %w%s", s.node, s.url, err, remedy)
}
