//go:build e2e

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"testing"
)

// client talks to the API server with certificates, or with no rights of its own.
// Each request has its own connection, as servers are killed here.
func client(t *testing.T, certificates ...tls.Certificate) *http.Client {
	t.Helper()
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM([]byte(text(t, stateFile(t, "pki", "ca.crt"))))
	settings := &tls.Config{RootCAs: authorities, Certificates: certificates}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}, Timeout: limit}
}

// read gets a path from the API server as the administrator. Where tests look again
// and again, it costs less than kubectl.
func read(t *testing.T, path string, into any) {
	t.Helper()
	admin, err := tls.LoadX509KeyPair(stateFile(t, "pki", "admin.crt"), stateFile(t, "pki", "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client(t, admin).Get(apiServer + "/api/v1/" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
}

// pods lists the node's pods.
func pods(t *testing.T) []pod {
	t.Helper()
	return podsAt(t, "pods?fieldSelector=spec.nodeName="+nodeName)
}

// podsAt lists the pods at a path.
func podsAt(t *testing.T, path string) []pod {
	t.Helper()
	var list struct{ Items []pod }
	read(t, path, &list)
	return list.Items
}
