package otlp

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// grpcTo makes a client as Open does.
func grpcTo(t *testing.T, url string) *grpcClient {
	t.Helper()
	to, err := parseEndpoint(GRPC, url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newGRPC(link{to: to, version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// listenGRPC starts a server on loopback and returns its URL.
func listenGRPC(t *testing.T, s *grpc.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return "http://" + l.Addr().String()
}

// TestGRPCAnswers shows what a real client makes of every status of a server.
func TestGRPCAnswers(t *testing.T) {
	info := &errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)}
	for _, tt := range []struct {
		code    codes.Code
		details []protoadapt.MessageV1
		retry   bool
		after   time.Duration
		err     string
	}{
		{code: codes.Unavailable, retry: true, err: busy},
		{code: codes.Unavailable, details: []protoadapt.MessageV1{info}, retry: true, after: 7 * time.Second, err: busy},
		{code: codes.Unavailable, details: []protoadapt.MessageV1{&errdetails.RetryInfo{RetryDelay: durationpb.New(-1)}}, retry: true, err: busy},
		{code: codes.Canceled, retry: true, err: tooSlow},
		{code: codes.DeadlineExceeded, retry: true, err: tooSlow},
		{code: codes.Aborted, retry: true, err: seeLog},
		{code: codes.OutOfRange, retry: true, err: seeLog},
		{code: codes.DataLoss, retry: true, err: seeLog},
		{code: codes.ResourceExhausted, err: tooBig},
		{code: codes.ResourceExhausted, details: []protoadapt.MessageV1{&errdetails.RetryInfo{}}, retry: true, err: tooBig},
		{code: codes.ResourceExhausted, details: []protoadapt.MessageV1{info}, retry: true, after: 7 * time.Second, err: tooBig},
		{code: codes.InvalidArgument, err: seeLog},
		{code: codes.Unauthenticated, err: noAccess},
		{code: codes.PermissionDenied, err: noAccess},
		{code: codes.Unimplemented, err: notOTLP},
		{code: codes.NotFound, err: notOTLP},
		{code: codes.Internal, err: seeLog},
		{code: codes.Unknown, err: seeLog},
	} {
		r := &receiver{answer: func(int) (pmetricotlp.ExportResponse, error) {
			s, err := status.New(tt.code, "so\nit is").WithDetails(tt.details...)
			if err != nil {
				t.Error(err)
			}
			return pmetricotlp.NewExportResponse(), s.Err()
		}}
		s := grpc.NewServer()
		pmetricotlp.RegisterGRPCServer(s, r)
		url := listenGRPC(t, s)
		a, err := grpcTo(t, url).export(t.Context(), nil)
		if a.code != tt.code.String() || a.retry != tt.retry || a.after != tt.after {
			t.Errorf("%v: got answer %+v, want retry %v after %v", tt.code, a, tt.retry, tt.after)
		}
		want := "export to " + url + ": " + tt.code.String() + ": so it is: " + tt.err
		if err == nil || err.Error() != want {
			t.Errorf("%v: got error %v, want %q", tt.code, err, want)
		}
	}
}

// TestGRPCRequest shows that requests are compressed on the wire, and whole where
// they arrive.
func TestGRPCRequest(t *testing.T) {
	r, seen := new(receiver), make(compression, 10)
	s := grpc.NewServer(grpc.StatsHandler(seen))
	pmetricotlp.RegisterGRPCServer(s, r)
	c := grpcTo(t, listenGRPC(t, s))
	x, b := newBuild(Delta, Both), fullNode()
	for range 2 { // the compressor is used again
		requests, err := x.requests(b, noSelf(), maxRequest)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.export(t.Context(), requests[0].body); err != nil {
			t.Fatal(err)
		}
		if ratio := <-seen; ratio > 0.2 {
			t.Errorf("a request has %.2f of its size on the wire, want 0.2 at most", ratio)
		}
	}
	for _, got := range r.got {
		if n := got.DataPointCount(); n != len(b.Samples) {
			t.Errorf("%d points arrived, want %d", n, len(b.Samples))
		}
	}
}

// compression tells of each request what part of its bytes a server received.
type compression chan float64

func (compression) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (compression) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (compression) HandleConn(context.Context, stats.ConnStats)                       {}
func (c compression) HandleRPC(_ context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InPayload); ok {
		c <- float64(in.CompressedLength) / float64(in.Length)
	}
}

// TestGRPCBroken talks to servers that do not speak OTLP, or not wholly.
func TestGRPCBroken(t *testing.T) {
	says := func(reply []byte) func(*testing.T) string {
		return func(t *testing.T) string {
			return listenGRPC(t, grpc.NewServer(grpc.ForceServerCodecV2(codec{}),
				grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return stream.SendMsg(reply) })))
		}
	}
	tls := func(t *testing.T) string {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = quiet()
		s.EnableHTTP2 = true
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, tt := range []struct {
		name   string
		listen func(*testing.T) string
		code   codes.Code
		retry  bool
		err    string
	}{
		{"not OTLP", func(t *testing.T) string { return listenGRPC(t, grpc.NewServer()) }, codes.Unimplemented, false, notOTLP},
		{"garbage", says([]byte("\xff\xff\xff")), codes.Internal, false, seeLog},
		{"too large", says(make([]byte, 1<<20)), codes.ResourceExhausted, false, "larger than max 65536"},
		{"closes at once", func(t *testing.T) string { return "http://" + speak(t, "") }, codes.Unavailable, true, wrongPort},
		{"HTTP", func(t *testing.T) string { return "http://" + speak(t, "HTTP/1.1 400 Bad Request\r\n\r\n") }, codes.Unavailable, true, wrongPort},
		{"unknown authority", tls, codes.Unavailable, true, "certificate signed by unknown authority"},
		{"nobody", func(*testing.T) string { return "http://127.0.0.1:1" }, codes.Unavailable, true, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := grpcTo(t, tt.listen(t)).export(t.Context(), nil)
			if a.code != tt.code.String() || a.retry != tt.retry || err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got answer %+v and error %v, want %v, retry %v and %q", a, err, tt.code, tt.retry, tt.err)
			}
		})
	}
}

func FuzzGRPCReply(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("\x0a\x04\x08\x01\x12\x00"))
	f.Add([]byte("\x0a\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12"))
	f.Fuzz(func(t *testing.T, body []byte) {
		reply := pmetricotlp.NewExportResponse()
		if err := (codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer(body)}, reply); err != nil {
			return
		}
		var a answer
		a.accept(reply)
		if a.retry || strings.ContainsAny(a.message, "\n\r\x00") {
			t.Errorf("got answer %+v", a)
		}
	})
}

func FuzzJudgeStatus(f *testing.F) {
	for _, code := range []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.InvalidArgument} {
		s, err := status.New(code, "x").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Minute)})
		if err != nil {
			f.Fatal(err)
		}
		text, err := proto.Marshal(s.Proto())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s rpcstatus.Status
		if err := proto.Unmarshal(text, &s); err != nil {
			return
		}
		a, remedy := judgeStatus(status.FromProto(&s))
		if a.after < 0 || s.Code != 0 && remedy == "" || s.Code == 0 && a.retry {
			t.Errorf("status %v: got answer %+v and remedy %q", &s, a, remedy)
		}
		if now, _ := a.wait(firstWait); now < firstWait || now > maxAsked*5/4 {
			t.Errorf("status %v: waits %v", &s, now)
		}
	})
}

// TestCodecRefuses shows that a mistake in the code becomes an error.
func TestCodecRefuses(t *testing.T) {
	if _, err := (codec{}).Marshal("text"); err == nil {
		t.Error("a string was marshalled")
	}
	if err := (codec{}).Unmarshal(nil, "text"); err == nil {
		t.Error("a string was unmarshalled")
	}
}
