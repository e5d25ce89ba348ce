package otlp

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// serve makes a client of a protocol whose wire ends in the receiver, which is away at first.
func serve(t testing.TB, protocol string, r *receiver) (client, *plugintest.Wire) {
	t.Helper()
	w := plugintest.NewWire()
	w.Spoil(plugintest.Away)
	l := link{to: endpoint{host: "127.0.0.1:4317"}, version: "test", dial: w.Dial}
	if protocol == GRPC {
		s := grpc.NewServer()
		pmetricotlp.RegisterGRPCServer(s, r)
		go func() { _ = s.Serve(w) }()
		t.Cleanup(s.Stop)
		c, err := newGRPC(l)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, w
	}
	s := &http.Server{Handler: r}
	go func() { _ = s.Serve(w) }()
	t.Cleanup(func() { _ = s.Close() })
	c := newHTTP(l, transport(l))
	t.Cleanup(func() { _ = c.Close() })
	return c, w
}

// ServeHTTP makes the receiver an HTTP server. A gRPC status becomes the HTTP
// code that OTLP wants, and its RetryInfo the header Retry-After.
func (r *receiver) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	body, err := gzip.NewReader(req.Body)
	if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != protobufType {
		http.Error(rw, "want a POST of compressed protobuf", http.StatusUnsupportedMediaType)
		return
	}
	text, err := io.ReadAll(body)
	request := pmetricotlp.NewExportRequest()
	if err != nil || request.UnmarshalProto(text) != nil {
		http.Error(rw, "want a request", http.StatusBadRequest)
		return
	}
	reply, err := r.Export(req.Context(), request)
	if err != nil {
		s := status.Convert(err)
		for _, d := range s.Details() {
			if info, ok := d.(*errdetails.RetryInfo); ok {
				rw.Header().Set("Retry-After", strconv.Itoa(int(info.GetRetryDelay().GetSeconds())))
			}
		}
		code := map[codes.Code]int{codes.Unavailable: 503, codes.ResourceExhausted: 429}[s.Code()]
		http.Error(rw, s.Message(), code)
		return
	}
	text, err = reply.MarshalProto()
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", protobufType)
	_, _ = rw.Write(text)
}

// TestReceiverComesUp starts without a receiver: all that was queued arrives
// once and in order when it comes, and again after it was away.
func TestReceiverComesUp(t *testing.T) {
	for _, protocol := range []string{GRPC, HTTP} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := new(receiver)
				client, w := serve(t, protocol, r)
				o, host := open(t, defaults(), client)
				s := ofPod(cpuTime, "a")
				run(t, o)
				write(t, o, count(s, 0), count(s, 1), count(s, 2))
				pass(5 * time.Minute)
				if o.Ready() == nil || r.tries() != 0 {
					t.Errorf("Ready is %v after %d attempts arrived, want an error after none", o.Ready(), r.tries())
				}
				w.Spoil(nil)
				pass(time.Minute)
				if diff := cmp.Diff([][]int64{{1}, {2}, {3}}, r.values()); diff != "" {
					t.Errorf("received (-want +got):\n%s", diff)
				}
				if err := o.Ready(); err != nil {
					t.Errorf("Ready is %v, want nil", err)
				}
				if got := host.Counter(t, "podjoule.otlp.dropped_requests"); got != 0 {
					t.Errorf("%d requests are counted as dropped, want none", got)
				}
			})
		})
	}
}

// TestReceiverAsks answers with a wait, twice, and then takes the request.
func TestReceiverAsks(t *testing.T) {
	for _, tt := range []struct {
		protocol string
		code     codes.Code
		counted  string
	}{
		{GRPC, codes.Unavailable, "Unavailable"},
		{GRPC, codes.ResourceExhausted, "ResourceExhausted"},
		{HTTP, codes.Unavailable, "503"},
		{HTTP, codes.ResourceExhausted, "429"},
	} {
		t.Run(tt.protocol+" "+tt.code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var times []time.Time
				r := &receiver{answer: func(n int) (pmetricotlp.ExportResponse, error) {
					times = append(times, time.Now())
					reply := pmetricotlp.NewExportResponse()
					if n == 2 {
						return reply, nil
					}
					s, err := status.New(tt.code, "busy").WithDetails(
						&errdetails.RetryInfo{RetryDelay: durationpb.New(40 * time.Second)})
					if err != nil {
						t.Error(err)
					}
					return reply, s.Err()
				}}
				client, w := serve(t, tt.protocol, r)
				w.Spoil(nil)
				o, host := open(t, defaults(), client)
				write(t, o, count(ofPod(cpuTime, "a"), 0))
				run(t, o)
				pass(10 * time.Minute)
				if diff := cmp.Diff([][]int64{{1}}, r.values()); diff != "" {
					t.Errorf("received (-want +got):\n%s", diff)
				}
				for i := 1; i < len(times); i++ {
					if wait := times[i].Sub(times[i-1]); wait < 40*time.Second || wait > 50*time.Second {
						t.Errorf("wait %d is %v, want the 40 s asked for or up to a quarter more", i, wait)
					}
				}
				if got := host.Counter(t, "podjoule.otlp.requests", attribute.String("code", tt.counted)); got != 2 {
					t.Errorf("%d answers are counted as %s, want 2", got, tt.counted)
				}
			})
		})
	}
}

// TestOneRequestPerTick sends some ticks of two pods and a package through both
// protocols, and looks at what arrives.
func TestOneRequestPerTick(t *testing.T) {
	for _, protocol := range []string{GRPC, HTTP} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{answer: func(int) (pmetricotlp.ExportResponse, error) {
					reply := pmetricotlp.NewExportResponse()
					reply.PartialSuccess().SetRejectedDataPoints(1)
					reply.PartialSuccess().SetErrorMessage("one is too old")
					return reply, nil
				}}
				client, w := serve(t, protocol, r)
				w.Spoil(nil)
				o, host := open(t, defaults(), client)
				end := run(t, o)
				batches := twoTicks()
				for _, b := range batches {
					write(t, o, b)
					synctest.Wait()
				}
				if err := end(); err != nil {
					t.Errorf("Run returned %v", err)
				}
				synctest.Wait()
				var got, want [][]string
				for _, md := range r.got {
					got = append(got, lines(md))
				}
				x := newBuilder(defaults(), "test", instance())
				for _, b := range batches {
					md, err := x.build(b, noSelf())
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, lines(md))
					if n := md.ResourceMetrics().Len(); n != 3 {
						t.Errorf("a request has %d resources, want one for each pod and one for the node", n)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
				if got := host.Counter(t, "podjoule.otlp.rejected_points"); got != 2 {
					t.Errorf("%d points are counted as rejected, want one of each tick", got)
				}
			})
		})
	}
}
