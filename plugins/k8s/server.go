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
	"k8s.io/apimachinery/pkg/watch"
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
func newServer(c *Config, node string, tokens *token.Source, host *plugin.Host) (*server, error) {
	config, err := clientConfig(c, c.APIURL, tokens, host)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Pod{}, &corev1.PodList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.APIPath = "/api"
	config.ContentConfig = rest.ContentConfig{
		GroupVersion:         &corev1.SchemeGroupVersion,
		NegotiatedSerializer: serializer.NewCodecFactory(scheme).WithoutConversion(),
		ContentType:          runtime.ContentTypeProtobuf,
		AcceptContentTypes:   runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
	}
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", c.APIURL, err)
	}
	return &server{url: c.APIURL, node: node, token: tokens, client: client}, nil
}

// clientConfig is what all servers that know the pods are talked to with.
func clientConfig(c *Config, address string, tokens *token.Source, host *plugin.Host) (*rest.Config, error) {
	requests, err := host.Meter.Int64Counter("podjoule.k8s.api.requests",
		metric.WithDescription("Requests for pods by status code, or \"none\" where no answer came"))
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:           address,
		UserAgent:      "podjoule/" + host.Version,
		QPS:            -1, // the pace is the discovery's
		WarningHandler: rest.NoWarnings{},
		TLSClientConfig: rest.TLSClientConfig{
			Insecure: c.InsecureSkipVerify,
			CAFile:   caFile(c),
		},
		WrapTransport: func(next http.RoundTripper) http.RoundTripper {
			return &token.Transport{
				Base:   transport{next, requests, requestTimeout},
				Source: tokens, Server: base, AllowInsecure: c.AllowInsecureToken,
			}
		},
	}, nil
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

// list implements lister. The answer may come from the API server's
// cache, which spares the cluster's store, and may be a moment old.
func (s *server) list(ctx context.Context) ([]*pod, error) {
	var pods []*pod
	options := metav1.ListOptions{ResourceVersion: "0"}
	for {
		page, err := s.page(ctx, options)
		if err != nil {
			return nil, err
		}
		pods = append(pods, podsOf(s.node, page.Items)...)
		if page.Continue == "" {
			return pods, nil
		}
		options.Continue, options.ResourceVersion = page.Continue, ""
	}
}

// page sends one request for pods.
func (s *server) page(ctx context.Context, options metav1.ListOptions) (*corev1.PodList, error) {
	var page corev1.PodList
	if err := s.request(options).Do(quiet(ctx)).Into(&page); err != nil {
		return nil, s.explain("list", err)
	}
	return &page, nil
}

// watch has the server tell what happens to the node's pods.
func (s *server) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	options.Watch = true
	events, err := s.request(options).Watch(quiet(ctx))
	if err != nil {
		return nil, s.explain("watch", err)
	}
	return events, nil
}

func (s *server) request(options metav1.ListOptions) *rest.Request {
	options.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", s.node).String()
	return s.client.Get().Resource("pods").
		VersionedParams(&options, metav1.ParameterCodec).
		MaxRetries(0) // the next attempt is the caller's to time
}

// quiet keeps the client from logging: what goes wrong comes back as an error.
func quiet(ctx context.Context) context.Context { return klog.NewContext(ctx, logr.Discard()) }

// explain adds to an error what failed and what can be done.
func (s *server) explain(verb string, err error) error {
	err = withoutURL(err)
	remedy := remedyOf(err, "kubectl proxy --port=8080 makes one available locally")
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		code := status.Status().Code
		switch code {
		case http.StatusUnauthorized:
			remedy = "the token was refused: check token_retrieval"
			if tokenErr := s.token.Err(); tokenErr != nil {
				remedy = "no token could be had: " + tokenErr.Error()
			}
		case http.StatusForbidden:
			remedy = "the service account needs the verbs list and watch on the resource pods, for all namespaces"
		case http.StatusNotFound:
			remedy = "is k8s_api_url that of an API server?"
		}
		err = fmt.Errorf("status %d: %w", code, err)
	}
	if remedy != "" {
		remedy = "; " + remedy
	}
	return fmt.Errorf("%s the pods of node %s at %s: %w%s", verb, s.node, s.url, err, remedy)
}

// withoutURL leaves out the URL of a request, which says no more than what is said
// anyway, and is another one each time.
func withoutURL(err error) error {
	if request := new(url.Error); errors.As(err, &request) {
		return request.Err
	}
	return err
}

// remedyOf says what can be done where there was no answer; away is for a server
// that is not there.
func remedyOf(err error, away string) string {
	switch {
	case errors.Is(err, errNoAnswer):
		return fmt.Sprintf("it was given %v", requestTimeout)
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "set ca_file to the certificate of its authority"
	case errors.As(err, new(*net.OpError)):
		return "is it running there? " + away
	}
	return ""
}
