package otlp

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/podjoule/podjoule/agent/plugin"
)

// wantsToken refuses who does not send the token of the tests.
func wantsToken(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if sent := metadata.ValueFromIncomingContext(ctx, "authorization"); len(sent) != 1 || sent[0] != "Bearer hunter2" {
		return nil, status.Error(codes.Unauthenticated, "who are you")
	}
	return handle(ctx, request)
}

// keyOf returns the key that an error is about.
func keyOf(err error) string {
	var key *plugin.KeyError
	if errors.As(err, &key) {
		return key.Key
	}
	return ""
}
