package token

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// When a token from kubectl is renewed.
const (
	fixedAge = 10 * time.Minute // an API server issues none for less
	shortest = 10 * time.Second
	longest  = 24 * time.Hour // the kubelet waits no longer with its own
)

// renewAfter returns how long a token that was just issued is used: 80 % of the
// life that it tells, as the kubelet does, or a fixed time. This holds for tokens that were
// asked for by name. The one in a pod's file tells an end that is a year
// ahead, while its real life is an hour.
func renewAfter(token string) time.Duration {
	life := lifeOf(token)
	if life == 0 {
		return fixedAge
	}
	return max(shortest, min(life/5*4, longest))
}

// lifeOf returns the life of a token that is a JWT and tells it, and 0 of any
// other. The signature is not checked: what a forged life can do is to have
// kubectl run each shortest period.
func lifeOf(token string) time.Duration {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return 0
	}
	var claims struct {
		Exp float64 `json:"exp"` // RFC 7519: seconds, fractions allowed
		Iat float64 `json:"iat"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Exp <= 0 {
		return 0
	}
	issued := claims.Iat // by the server's clock, as is the end
	if issued <= 0 {
		issued = float64(time.Now().Unix())
	}
	seconds := claims.Exp - issued
	if seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, 2*longest.Seconds()) * float64(time.Second))
}
