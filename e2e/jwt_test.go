//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"testing"
	"time"
)

// sign makes a token of an account with the cluster's own key, because the API
// server makes none that lives for less than 10 minutes.
func sign(t *testing.T, account string, life time.Duration) string {
	t.Helper()
	uid := kubectl(t, "get", "serviceaccount", account, "-n", place, "-o", "jsonpath={.metadata.uid}")
	const leeway = time.Minute // that the API server grants after the end
	end := time.Now().Add(life - leeway)
	begin := end.Add(-time.Hour).Unix()
	message := encode(t, map[string]any{"alg": "ES256", "typ": "JWT"}) + "." + encode(t, map[string]any{
		"iss": "https://kubernetes.default.svc", "aud": []string{"https://kubernetes.default.svc"},
		"sub": "system:serviceaccount:" + place + ":" + account,
		"iat": begin, "nbf": begin, "exp": end.Unix(),
		"kubernetes.io": map[string]any{"namespace": place, "serviceaccount": map[string]string{"name": account, "uid": uid}},
	})
	hash := sha256.Sum256([]byte(message))
	r, s, err := ecdsa.Sign(rand.Reader, signingKey(t), hash[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return message + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// signingKey is the one that the API server trusts tokens by.
func signingKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	file := stateFile(t, "pki", "service-accounts.key")
	block, _ := pem.Decode([]byte(text(t, file)))
	if block == nil {
		t.Fatalf("%s is no PEM file", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	return key.(*ecdsa.PrivateKey)
}

// answer is the status that the API server gives to a token that lists pods.
func answer(t *testing.T, c *http.Client, token string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, apiServer+"/api/v1/pods?limit=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := c.Do(request)
	if err != nil {
		t.Fatalf("ask the API server: %v", err)
	}
	response.Body.Close()
	return response.StatusCode
}

// refused waits until the API server takes a token no longer. It looks at each
// token anew every 10 s only.
func refused(t *testing.T, token string) {
	t.Helper()
	c := client(t)
	eventually(t, "the API server refuses the token", func() bool { return answer(t, c, token) == http.StatusUnauthorized })
}
