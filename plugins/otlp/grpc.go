package otlp

import (
	"context"
	"fmt"
	"net"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // replies are compressed as requests are
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// exportMethod is the method of OTLP that takes metrics.
const exportMethod = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

// grpcClient delivers requests over gRPC.
type grpcClient struct {
	to      endpoint
	headers metadata.MD
	conn    *grpc.ClientConn
}

// newGRPC makes a client that connects when it is first used.
func newGRPC(l link) (*grpcClient, error) {
	secure := insecure.NewCredentials()
	if l.to.tls {
		secure = credentials.NewTLS(l.config())
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithUserAgent(serviceName + "/" + l.version),
		grpc.WithMaxHeaderListSize(maxReply),
		grpc.WithDisableServiceConfig(), // or a DNS record could set other rules for retries
		grpc.WithDefaultCallOptions(
			grpc.ForceCodecV2(codec{}),
			grpc.MaxCallRecvMsgSize(maxReply),
		),
		// By default gRPC waits for up to two minutes before it connects again.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: firstWait, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxWait / 3},
			MinConnectTimeout: 5 * time.Second,
		}),
		// Notices a receiver whose node vanished, in seconds instead of the
		// quarter of an hour that TCP takes.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	}
	if !l.plain {
		// The way that is not deprecated has one level for the whole program,
		// the slow one, and makes its 0.8 MB anew after a while.
		options = append(options, grpc.WithCompressor(newZipper())) //nolint:staticcheck // it stays throughout 1.x, and no other has a level of its own
	}
	target := "dns:///" + l.to.host
	if l.dial != nil { // which takes names, too
		target = "passthrough:///" + l.to.host
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return l.dial(ctx, "tcp", address)
		}))
	}
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, err
	}
	return &grpcClient{to: l.to, headers: metadata.New(l.headers), conn: conn}, nil
}

func (c *grpcClient) export(ctx context.Context, request []byte) (answer, error) {
	reply := pmetricotlp.NewExportResponse()
	ctx = metadata.NewOutgoingContext(ctx, c.headers)
	err := c.conn.Invoke(ctx, exportMethod, request, reply)
	a, remedy := judgeStatus(status.Convert(err))
	if err != nil {
		return a, fmt.Errorf("export to %s: %s: %s: %s", c.to, a.code, clip(status.Convert(err).Message()), remedy)
	}
	a.accept(reply)
	return a, nil
}

func (c *grpcClient) Close() error {
	if err := c.conn.Close(); err != nil {
		return fmt.Errorf("close the connection to %s: %w", c.to, err)
	}
	return nil
}

// judgeStatus tells what a status means for the request, by the rules of the
// OTLP specification, and what can be done about it.
func judgeStatus(s *status.Status) (a answer, remedy string) {
	a = answer{code: s.Code().String()}
	asked := false
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			asked = true
			a.after = max(0, info.GetRetryDelay().AsDuration())
		}
	}
	switch s.Code() {
	case codes.OK:
		return a, ""
	case codes.Unavailable:
		a.retry = true
		return a, unreachable(s.Message(), busy)
	case codes.DeadlineExceeded, codes.Canceled:
		a.retry = true
		return a, unreachable(s.Message(), tooSlow)
	case codes.Aborted, codes.OutOfRange, codes.DataLoss:
		a.retry = true
		return a, seeLog
	case codes.ResourceExhausted:
		// Without RetryInfo it means that the same request never fits.
		a.retry = asked
		return a, tooBig
	case codes.Unauthenticated, codes.PermissionDenied:
		return a, noAccess
	case codes.Unimplemented, codes.NotFound:
		return a, notOTLP
	}
	return a, seeLog
}

// codec passes requests that are encoded already.
type codec struct{}

// Name is that of the encoding on the wire.
func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	request, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("send a %T instead of an encoded request", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(request)}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	reply, ok := v.(pmetricotlp.ExportResponse)
	if !ok {
		return fmt.Errorf("receive a %T instead of a reply", v)
	}
	return reply.UnmarshalProto(data.Materialize())
}
