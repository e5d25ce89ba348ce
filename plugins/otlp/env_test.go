package otlp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// variables is an environment as NAME=value lines.
func variables(lines ...string) environment {
	all := make(map[string]string)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
	}
	return func(name string) (string, bool) { value, ok := all[name]; return value, ok }
}

// Each variable takes effect, the one for metrics is stronger than the one for all
// signals, and the file is stronger than both.
func TestEnvironment(t *testing.T) {
	type result struct {
		Protocol, Endpoint, Compression, Temporality string
		Timeout                                      time.Duration
		Headers                                      map[string]string
		CA, Cert, Key                                string
		Resource                                     string
	}
	usual := func(change func(*result)) result {
		r := result{Protocol: GRPC, Endpoint: "http://localhost:4317", Compression: Gzip, Temporality: Delta,
			Timeout: 10 * time.Second, Headers: map[string]string{}, Resource: "[]"}
		change(&r)
		return r
	}
	const all, metrics = envExporter, envMetrics
	for _, tt := range []struct {
		name string
		env  []string
		file func(*Config)
		want result
	}{
		{name: "none", want: usual(func(*result) {})},
		{name: "empty", env: []string{all + "PROTOCOL=", all + "ENDPOINT= ", all + "TIMEOUT=", envTemporality + "="}, want: usual(func(*result) {})},
		{name: "protocol", env: []string{all + "PROTOCOL=http/protobuf"},
			want: usual(func(r *result) { r.Protocol, r.Endpoint = HTTP, "http://localhost:4318/v1/metrics" })},
		{name: "protocol of metrics", env: []string{all + "PROTOCOL=http/protobuf", metrics + "PROTOCOL=grpc"}, want: usual(func(*result) {})},
		{name: "protocol of the file", env: []string{metrics + "PROTOCOL=http/json"}, file: func(c *Config) { c.Protocol = GRPC }, want: usual(func(*result) {})},
		{name: "endpoint", env: []string{all + "ENDPOINT=https://collector:4317/"}, want: usual(func(r *result) { r.Endpoint = "https://collector:4317" })},
		{name: "endpoint without a scheme", env: []string{all + "ENDPOINT=collector:4317"}, want: usual(func(r *result) { r.Endpoint = "https://collector:4317" })},
		{name: "endpoint in plain text", env: []string{all + "ENDPOINT=collector:4317", all + "INSECURE=True"}, want: usual(func(r *result) { r.Endpoint = "http://collector:4317" })},
		{name: "insecure of metrics", env: []string{all + "ENDPOINT=collector:4317", all + "INSECURE=true", metrics + "INSECURE=false"},
			want: usual(func(r *result) { r.Endpoint = "https://collector:4317" })},
		{name: "a scheme is stronger", env: []string{metrics + "ENDPOINT=https://collector:4317", all + "INSECURE=true"}, want: usual(func(r *result) { r.Endpoint = "https://collector:4317" })},
		{name: "endpoint over HTTP", env: []string{all + "PROTOCOL=http/protobuf", all + "ENDPOINT=http://collector:4318/base/"},
			want: usual(func(r *result) { r.Protocol, r.Endpoint = HTTP, "http://collector:4318/base/v1/metrics" })},
		{name: "endpoint of metrics as it is", env: []string{all + "PROTOCOL=http/protobuf", all + "ENDPOINT=http://other", metrics + "ENDPOINT=http://collector:4318/base/"},
			want: usual(func(r *result) { r.Protocol, r.Endpoint = HTTP, "http://collector:4318/base/" })},
		{name: "endpoint of metrics without a path", env: []string{all + "PROTOCOL=http/protobuf", metrics + "ENDPOINT=http://collector:4318"},
			want: usual(func(r *result) { r.Protocol, r.Endpoint = HTTP, "http://collector:4318/" })},
		{name: "endpoint of the file", env: []string{metrics + "ENDPOINT=http://other"}, file: func(c *Config) { c.Endpoint = "http://mine:1" }, want: usual(func(r *result) { r.Endpoint = "http://mine:1" })},
		{name: "compression", env: []string{all + "COMPRESSION=none"}, want: usual(func(r *result) { r.Compression = None })},
		{name: "compression of metrics", env: []string{all + "COMPRESSION=none", metrics + "COMPRESSION=gzip"}, want: usual(func(*result) {})},
		{name: "compression of the file", env: []string{all + "COMPRESSION=none"}, file: func(c *Config) { c.Compression = Gzip }, want: usual(func(*result) {})},
		{name: "timeout", env: []string{all + "TIMEOUT=2500"}, want: usual(func(r *result) { r.Timeout = 2500 * time.Millisecond })},
		{name: "timeout of metrics", env: []string{all + "TIMEOUT=2500", metrics + "TIMEOUT=1"}, want: usual(func(r *result) { r.Timeout = time.Millisecond })},
		{name: "timeout of the file", env: []string{all + "TIMEOUT=soon"}, file: func(c *Config) { c.Timeout = 7e9 }, want: usual(func(r *result) { r.Timeout = 7 * time.Second })},
		{name: "headers", env: []string{all + "HEADERS=Authorization=Basic%20abc=, x-tenant = a%2Cb ,"},
			want: usual(func(r *result) { r.Headers = map[string]string{"authorization": "Basic abc=", "x-tenant": "a,b"} })},
		{name: "headers of metrics", env: []string{all + "HEADERS=a=1,b=2", metrics + "HEADERS=a=3"}, want: usual(func(r *result) { r.Headers = map[string]string{"a": "3"} })},
		{name: "headers of the file", env: []string{metrics + "HEADERS=a=3"}, file: func(c *Config) { c.Headers = map[string]Secret{"B": "4"} },
			want: usual(func(r *result) { r.Headers = map[string]string{"b": "4"} })},
		{name: "certificates", env: []string{all + "CERTIFICATE=/ca", all + "CLIENT_CERTIFICATE=/c", all + "CLIENT_KEY=/k", metrics + "CLIENT_KEY=/mk"},
			want: usual(func(r *result) { r.CA, r.Cert, r.Key = "/ca", "/c", "/mk" })},
		{name: "certificates of the file", env: []string{all + "CERTIFICATE=/ca"}, file: func(c *Config) { c.CAFile = "/mine" }, want: usual(func(r *result) { r.CA = "/mine" })},
		{name: "temporality", env: []string{envTemporality + "=Cumulative"}, want: usual(func(r *result) { r.Temporality = Cumulative })},
		{name: "low memory", env: []string{envTemporality + "=lowmemory"}, want: usual(func(*result) {})},
		{name: "temporality of the file", env: []string{envTemporality + "=cumulative"}, file: func(c *Config) { c.Temporality = Delta }, want: usual(func(*result) {})},
		{name: "resource", env: []string{envAttributes + "=service.name=a,k8s.cluster.name=my%20cluster,service.name=b"},
			want: usual(func(r *result) { r.Resource = "[{k8s.cluster.name my cluster} {service.name b}]" })},
		{name: "service", env: []string{envAttributes + "=service.name=a", envService + "=c"}, want: usual(func(r *result) { r.Resource = "[{service.name c}]" })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Plugin().Config().(*Config)
			if tt.file != nil {
				tt.file(c)
			}
			s, err := c.settings(variables(tt.env...))
			if err != nil {
				t.Fatal(err)
			}
			got := result{s.Protocol, s.to.String(), s.Compression, s.Temporality, time.Duration(s.Timeout), s.headers,
				s.CAFile, s.CertFile, s.KeyFile, fmt.Sprint(s.resource)}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A variable that cannot be read is an error that names it, and no secret.
func TestBadEnvironment(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{envExporter + "PROTOCOL=http/json", `want one of ["grpc" "http/protobuf"], have "http/json"`},
		{envMetrics + "ENDPOINT=ftp://collector", "begins with http://"},
		{envExporter + "ENDPOINT=http://me:s3cret@collector", "without user and password"},
		{envExporter + "ENDPOINT=http://collector/v1/metrics", "gRPC has no path"},
		{envExporter + "INSECURE=yes", "want true or false"},
		{envMetrics + "HEADERS=s3cret", "pair 1 is none"},
		{envMetrics + "HEADERS=a=1,b=s3cret%zz", "pair 2 is none"},
		{envExporter + "HEADERS=a b=s3cret", `"a b" is no name of a header`},
		{envExporter + "HEADERS=a=s3cret%0A", `the value of the header "a"`},
		{envExporter + "HEADERS=grpc-timeout=s3cret", "set by the protocol"},
		{envExporter + "TIMEOUT=10s", "milliseconds"},
		{envExporter + "TIMEOUT=-1", "milliseconds"},
		{envMetrics + "TIMEOUT=0", "milliseconds"},
		{envExporter + "COMPRESSION=zstd", `want one of ["gzip" "none"]`},
		{envExporter + "CLIENT_CERTIFICATE=/c", "a certificate needs a key"},
		{envMetrics + "CLIENT_KEY=/k", "a certificate needs a key"},
		{envTemporality + "=sum", `want one of ["cumulative" "delta" "lowmemory"]`},
		{envAttributes + "=a=1,=2", "pair 2 is none"},
	} {
		name, value, _ := strings.Cut(tt.line, "=")
		t.Run(tt.line, func(t *testing.T) {
			t.Setenv(name, value)
			for what, err := range map[string]error{
				"Validate": Plugin().Config().Validate(),
				"Open":     opened(t),
			} {
				if err == nil || !strings.Contains(err.Error(), "environment variable "+name+": ") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: got error %v, want one that names the variable, with %q", what, err, tt.want)
				}
				if err != nil && strings.Contains(err.Error(), "s3") {
					t.Errorf("%s tells the secret: %v", what, err)
				}
				var key *plugin.KeyError
				if errors.As(err, &key) {
					t.Errorf("%s: the error is about the key %s, which the file does not have", what, key.Key)
				}
			}
		})
	}
}

// opened is the error with which the defaults open.
func opened(t *testing.T) error {
	t.Helper()
	o, err := Plugin().Config().Open(t.Context(), plugintest.NewHost(t, allMetrics...).Host)
	if err == nil {
		_ = o.(*output).Close()
	}
	return err
}

// What the environment says of resources stands on all of them, but for what is about
// the agent, and never in place of what was measured.
func TestResourceOfTheEnvironment(t *testing.T) {
	more := []measure.Attribute{{Key: "deployment.environment.name", Value: "test"}, {Key: "service.name", Value: "mine"},
		{Key: "k8s.pod.uid", Value: "made up"}, {Key: "k8s.node.name", Value: "made up"}}
	x := newBuilder(defaults(), "1.2.3", "agent-1", more...)
	b := tick(0)
	b.Uint(ofPod(cpuTime, "a"), 1)
	b.Uint(ofPackage("0"), 1)
	md, err := x.build(b, noSelf())
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	for _, rm := range md.ResourceMetrics().All() {
		got = append(got, rm.Resource().Attributes().AsRaw())
	}
	want := []map[string]any{
		{"deployment.environment.name": "test", "k8s.namespace.name": "default", "k8s.node.name": "node-1", "k8s.pod.name": "pod-a", "k8s.pod.uid": "uid-a"},
		{"deployment.environment.name": "test", "k8s.node.name": "node-1", "k8s.pod.uid": "made up", "service.instance.id": "agent-1",
			"service.name": "mine", "service.version": "1.2.3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

func FuzzPairs(f *testing.F) {
	f.Add("a=1,b=x%2Cy")
	f.Add(",=%zz,")
	f.Fuzz(func(t *testing.T, list string) {
		all, err := pairs(list)
		if err != nil && len(all) > 0 {
			t.Errorf("%q: both %v and error %v", list, all, err)
		}
		for _, a := range all {
			if a.Key == "" {
				t.Errorf("%q: a pair without a name", list)
			}
		}
		if _, err := headers(GRPC, all); err == nil {
			for _, a := range all {
				if strings.ContainsAny(a.Key+a.Value, "\r\n\x00") {
					t.Errorf("%q: a header with a line break is taken", list)
				}
			}
		}
	})
}
