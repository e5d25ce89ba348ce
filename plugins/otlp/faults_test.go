package otlp

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// place is where a receiver listens; it can be given from one server to the next, so
// that an outage ends at the same address.
func place(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// openReal opens the output as the host does.
func openReal(t *testing.T, change func(*Config)) (*output, *plugintest.Host) {
	t.Helper()
	c := Plugin().Config().(*Config)
	c.Timeout = 2e9
	change(c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	host := plugintest.NewHost(t, allMetrics...)
	quiet := *host.Host
	quiet.SelfReader = nil
	o, err := c.Open(t.Context(), &quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.(*output).Close() })
	return o.(*output), host
}

// serveOn makes the receiver a real server of a protocol on a listener.
func serveOn(t *testing.T, protocol string, l net.Listener, r *receiver) {
	t.Helper()
	if protocol == GRPC {
		s := grpc.NewServer()
		pmetricotlp.RegisterGRPCServer(s, r)
		go func() { _ = s.Serve(l) }()
		t.Cleanup(s.Stop)
		return
	}
	s := &http.Server{Handler: r, ErrorLog: quiet()}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
}

// TestRealFaults puts each fault before a real receiver: Write is never late, the error
// names what is wrong, and what can be delivered later is kept.
func TestRealFaults(t *testing.T) {
	other := map[string]string{GRPC: HTTP, HTTP: GRPC}
	for _, fault := range []struct {
		name string
		// spoil listens in place of the receiver and returns the endpoint.
		spoil func(t *testing.T, protocol string) string
		want  []string // one of them is in the error
		lost  int64    // requests that are given up at once
	}{
		{name: "hanging", want: []string{tooSlow}, spoil: func(t *testing.T, _ string) string {
			l := place(t) // the kernel connects, and nobody accepts
			t.Cleanup(func() { _ = l.Close() })
			return "http://" + l.Addr().String()
		}},
		{name: "nobody listens", want: []string{"connection refused"}, spoil: func(t *testing.T, _ string) string {
			l := place(t)
			_ = l.Close()
			return "http://" + l.Addr().String()
		}},
		{name: "no such name", want: []string{"no such host", "produced zero addresses", "server misbehaving", "name resolver error", "lookup", tooSlow}, spoil: func(*testing.T, string) string {
			return "http://collector.invalid:4317"
		}},
		{name: "another protocol", want: []string{wrongPort, notOTLP, tooSlow}, spoil: func(t *testing.T, protocol string) string {
			l := place(t)
			serveOn(t, other[protocol], l, new(receiver))
			return "http://" + l.Addr().String()
		}},
		{name: "reset in mid-body", want: []string{"reset", "EOF", "closed", "broken pipe"}, spoil: func(t *testing.T, protocol string) string {
			l := place(t)
			serveOn(t, protocol, l, new(receiver))
			return "http://" + resets(t, l.Addr().String())
		}},
		{name: "certificate of nobody", want: []string{"certificate signed by unknown authority: " + untrusted, "certificate signed by unknown authority\": " + untrusted}, spoil: func(t *testing.T, _ string) string {
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.Config.ErrorLog = quiet()
			s.EnableHTTP2 = true
			s.StartTLS()
			t.Cleanup(s.Close)
			return s.URL
		}},
		{name: "refused", lost: 3, want: []string{"bad point"}, spoil: func(t *testing.T, protocol string) string {
			return answers(t, protocol, 400, codes.InvalidArgument, "bad point")
		}},
		{name: "overloaded", want: []string{"too many"}, spoil: func(t *testing.T, protocol string) string {
			return answers(t, protocol, 429, codes.Unavailable, "too many")
		}},
		{name: "unavailable", want: []string{"not yet"}, spoil: func(t *testing.T, protocol string) string {
			return answers(t, protocol, 503, codes.Unavailable, "not yet")
		}},
	} {
		for _, protocol := range []string{GRPC, HTTP} {
			t.Run(fault.name+" "+protocol, func(t *testing.T) {
				t.Parallel()
				url := fault.spoil(t, protocol)
				o, host := openReal(t, func(c *Config) { c.Protocol, c.Endpoint = protocol, url })
				run(t, o)
				s := ofPod(cpuTime, "a")
				for n := range 3 {
					began := time.Now()
					write(t, o, count(s, n))
					if took := time.Since(began); took > time.Second { // an attempt may take 2 s
						t.Errorf("Write took %v", took)
					}
				}
				await(t, "the complaint and the losses", func() bool {
					err := o.Ready()
					return err != nil && host.Counter(t, "podjoule.otlp.dropped_requests") == fault.lost &&
						slices.ContainsFunc(fault.want, func(want string) bool { return strings.Contains(err.Error(), want) })
				}, func() any { return o.Ready() })
				if !strings.Contains(o.Ready().Error(), strings.TrimPrefix(url, "http://")) && !strings.Contains(o.Ready().Error(), url) {
					t.Errorf("Ready is %q, want the endpoint %s in it", o.Ready(), url)
				}
				if got := host.Counter(t, "podjoule.otlp.queue.points"); got != 3-fault.lost {
					t.Errorf("%d points wait, want %d", got, 3-fault.lost)
				}
				if got := host.Counter(t, "podjoule.otlp.points"); got != 0 {
					t.Errorf("%d points are counted as delivered", got)
				}
			})
		}
	}
}

// await waits until something is so; in vain, it tells what there is instead.
func await(t testing.TB, what string, ok func() bool, have ...func() any) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, f := range have {
				t.Logf("there is: %v", f())
			}
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// answers is a receiver with one answer.
func answers(t *testing.T, protocol string, code int, c codes.Code, text string) string {
	t.Helper()
	if protocol == GRPC {
		l := place(t)
		serveOn(t, GRPC, l, &receiver{answer: func(int) (pmetricotlp.ExportResponse, error) {
			return pmetricotlp.NewExportResponse(), status.Error(c, text)
		}})
		return "http://" + l.Addr().String()
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }))
	t.Cleanup(s.Close)
	return s.URL
}

// resets passes the first bytes of each connection on to a receiver, and answers back, and
// then resets the connection: in the head or in the body of the first request.
func resets(t *testing.T, receiver string) (address string) {
	t.Helper()
	l := place(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", receiver)
			if err != nil {
				t.Error(err)
				return
			}
			go func() { _, _ = io.Copy(c, to) }()
			_, _ = io.CopyN(to, c, 300)
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
			_ = to.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// TestOutageOfARealReceiver is A21: it goes away and comes back at the same address, and
// all that was written meanwhile arrives once and in order.
func TestOutageOfARealReceiver(t *testing.T) {
	for _, protocol := range []string{GRPC, HTTP} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			l := place(t)
			address := l.Addr().String()
			_ = l.Close()
			o, host := openReal(t, func(c *Config) { c.Protocol, c.Endpoint, c.QueueDir = protocol, "http://"+address, t.TempDir() })
			run(t, o)
			s := ofPod(cpuTime, "a")
			write(t, o, count(s, 0), count(s, 1), count(s, 2))
			await(t, "the complaint", func() bool { return o.Ready() != nil })
			r := new(receiver)
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Skipf("the address was taken meanwhile: %v", err)
			}
			serveOn(t, protocol, l, r)
			await(t, "all three", func() bool { return host.Counter(t, "podjoule.otlp.points") == 3 })
			if diff := cmp.Diff([][]int64{{1}, {2}, {3}}, r.values()); diff != "" {
				t.Errorf("received (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCredentials sends headers and a client's certificate to a server that wants both,
// over both protocols, and is refused without either.
func TestCredentials(t *testing.T) {
	ca := plugintest.NewAuthority(t)
	client := ca.Issue(t, "client")
	config := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "receiver.example").Pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	for _, protocol := range []string{GRPC, HTTP} {
		t.Run(protocol, func(t *testing.T) {
			r := new(receiver)
			l := place(t)
			if protocol == GRPC {
				s := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.UnaryInterceptor(wantsToken))
				pmetricotlp.RegisterGRPCServer(s, r)
				go func() { _ = s.Serve(l) }()
				t.Cleanup(s.Stop)
			} else {
				s := &http.Server{ErrorLog: quiet(), Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if req.Header.Get("Authorization") != "Bearer hunter2" {
						http.Error(w, "who are you", http.StatusUnauthorized)
						return
					}
					r.ServeHTTP(w, req)
				})}
				go func() { _ = s.Serve(tls.NewListener(l, config)) }()
				t.Cleanup(func() { _ = s.Close() })
			}
			for _, tt := range []struct {
				name   string
				change func(*Config)
				want   string // empty: it is taken
			}{
				{name: "all", change: func(*Config) {}},
				{name: "unverified", change: func(c *Config) { c.CAFile, c.ServerName, c.InsecureSkipVerify = "", "", true }},
				{"no header", func(c *Config) { c.Headers = nil }, "set headers"},
				{"no certificate", func(c *Config) { c.CertFile, c.KeyFile = "", "" }, "certificate required|broken pipe|reset by peer|EOF"}, // the last are what is seen where the alert comes too late
				{"another name", func(c *Config) { c.ServerName = "" }, "127.0.0.1"},
				{"another authority", func(c *Config) { c.CAFile = plugintest.NewAuthority(t).File }, "unknown authority"},
			} {
				t.Run(tt.name, func(t *testing.T) {
					o, host := openReal(t, func(c *Config) {
						c.Protocol, c.Endpoint, c.Timeout = protocol, "https://"+l.Addr().String(), 5e9
						c.Headers = map[string]Secret{"Authorization": "Bearer hunter2"}
						c.CAFile, c.CertFile, c.KeyFile, c.ServerName = ca.File, client.File, client.KeyFile, "receiver.example"
						tt.change(c)
					})
					run(t, o)
					write(t, o, count(ofPod(cpuTime, "a"), 0))
					if tt.want == "" {
						await(t, "the point", func() bool { return host.Counter(t, "podjoule.otlp.points") == 1 })
						return
					}
					await(t, "the complaint "+tt.want, func() bool {
						err := o.Ready()
						return err != nil && regexp.MustCompile(tt.want).MatchString(err.Error())
					}, func() any { return o.Ready() })
					if err := o.Ready(); err != nil && strings.Contains(err.Error(), "hunter") {
						t.Errorf("Ready tells the secret: %v", err)
					}
				})
			}
		})
	}
}

// TestFilesOfCertificates names the key or the variable of a file that is no good.
func TestFilesOfCertificates(t *testing.T) {
	ca := plugintest.NewAuthority(t)
	c := ca.Issue(t, "client")
	for _, tt := range []struct {
		key    string
		change func(*Config)
	}{
		{"ca_file", func(o *Config) { o.CAFile = "/nowhere/ca.pem" }},
		{"ca_file", func(o *Config) { o.CAFile = c.KeyFile }},
		{"cert_file", func(o *Config) { o.CertFile, o.KeyFile = c.File, "/nowhere/key.pem" }},
		{"cert_file", func(o *Config) { o.CertFile, o.KeyFile = c.KeyFile, c.KeyFile }},
		{"cert_file", func(o *Config) { o.CertFile, o.KeyFile = c.File, ca.Issue(t, "other").KeyFile }},
	} {
		o := Plugin().Config().(*Config)
		tt.change(o)
		_, err := o.Open(t.Context(), plugintest.NewHost(t, allMetrics...).Host)
		if key := keyOf(err); key != tt.key {
			t.Errorf("got error %v about %q, want one about %s", err, key, tt.key)
		}
	}
	t.Setenv(envExporter+"CERTIFICATE", "/nowhere/ca.pem")
	if err := opened(t); err == nil || !strings.Contains(err.Error(), envExporter+"CERTIFICATE") {
		t.Errorf("got error %v, want one that names the variable", err)
	}
}

// TestFolderInUse shows that a second agent is refused the folder of the first.
func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	openReal(t, func(c *Config) { c.QueueDir = dir })
	c := Plugin().Config().(*Config)
	c.QueueDir = dir
	_, err := c.Open(t.Context(), plugintest.NewHost(t, allMetrics...).Host)
	if keyOf(err) != "queue_dir" || !strings.Contains(err.Error(), "give each a folder of its own") {
		t.Errorf("got error %v, want one about queue_dir with the remedy", err)
	}
}
