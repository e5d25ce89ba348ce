package k8s

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
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
	*access
	node    string
	client  *rest.RESTClient
	decoder podDecoder
	buffers sync.Pool // of *bytes.Buffer, into which answers are read
}

// newServer makes a client. It knows pods and nothing else, which halves the
// size of the program against the full client.
func newServer(c *Config, node string, chosen *choice, tokens *token.Source, host *plugin.Host) (*server, error) {
	access, err := newAccess(c, c.APIURL, tokens, host)
	if err != nil {
		return nil, err
	}
	version := coreVersion()
	serializer := newPodSerializer(chosen)
	client, err := rest.RESTClientForConfigAndClient(&rest.Config{
		Host:           access.url,
		APIPath:        "/api",
		QPS:            -1, // the pace is the discovery's
		WarningHandler: rest.NoWarnings{},
		ContentConfig: rest.ContentConfig{
			GroupVersion:         &version,
			NegotiatedSerializer: serializer,
			ContentType:          runtime.ContentTypeProtobuf,
			AcceptContentTypes:   runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
		},
	}, access.http)
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", access.url, err)
	}
	return &server{access: access, node: node, client: client, decoder: serializer.decoder()}, nil
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
		pods = append(pods, page.of(s.node)...)
		if page.Continue == "" {
			return pods, nil
		}
		options.Continue, options.ResourceVersion = page.Continue, ""
	}
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
	remedy := s.remedy(err, "kubectl proxy --port=8080 makes one available locally")
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		code := int(status.Status().Code)
		switch {
		case code == http.StatusForbidden:
			remedy = "the service account needs the verbs list and watch on the resource pods, for all namespaces"
		case code == http.StatusNotFound:
			remedy = "is " + s.urlKey + " that of an API server?"
		default:
			remedy = s.remedyOfStatus(code)
		}
		err = fmt.Errorf("status %d: %w", code, err)
	}
	if remedy != "" {
		remedy = "; " + remedy
	}
	return fmt.Errorf("%s the pods of node %s at %s: %w%s", verb, s.node, s.place(), err, remedy)
}

// errUnreadable is why an answer is of no use.
var errUnreadable = errors.New("the answer cannot be read")

const remedyUnreadable = "does something between cut or change the answers? It is asked again"

func isExpiredCertificate(err error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == x509.Expired
}
