package token_test

import (
	"encoding/base64"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/token"
)

// jwt makes an unsigned token with the given claims.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".sig"
}

func TestRenewAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inTwoHours := fmt.Sprintf(`{"exp":%d}`, time.Now().Add(2*time.Hour).Unix())
		tests := []struct {
			name, token string
			want        time.Duration
		}{
			{"an hour", jwt(`{"iat":1000,"exp":4600}`), 48 * time.Minute},
			{"an hour, with fractions", jwt(`{"iat":1000.5,"exp":4600.5}`), 48 * time.Minute},
			{"no time of issue", jwt(inTwoHours), 96 * time.Minute},
			{"a year", jwt(`{"iat":1000,"exp":31537000}`), 24 * time.Hour},
			{"for ever", jwt(`{"iat":1,"exp":1e300}`), 24 * time.Hour},
			{"a second", jwt(`{"iat":1000,"exp":1001}`), 10 * time.Second},
			{"ended before it was issued", jwt(`{"iat":4600,"exp":1000}`), 10 * time.Minute},
			{"ended long ago", jwt(`{"exp":1000}`), 10 * time.Minute},
			{"no end", jwt(`{"iat":1000}`), 10 * time.Minute},
			{"end is text", jwt(`{"exp":"soon"}`), 10 * time.Minute},
			{"not JSON", jwt(`exp`), 10 * time.Minute},
			{"not base64", "a.!!.c", 10 * time.Minute},
			{"opaque", "opaque", 10 * time.Minute},
			{"opaque with dots", "a.b.c.d", 10 * time.Minute},
		}
		for _, tt := range tests {
			if got := token.RenewAfter(tt.token); got != tt.want {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
			}
		}
	})
}
