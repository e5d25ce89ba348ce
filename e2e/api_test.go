//go:build e2e

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// client talks to the API server with certificates, or with no rights of its own.
// Each request has its own connection where servers are killed.
func client(t *testing.T, certificates ...tls.Certificate) *http.Client {
	t.Helper()
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM([]byte(text(t, stateFile(t, "pki", "ca.crt"))))
	settings := &tls.Config{RootCAs: authorities, Certificates: certificates}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: !emulated()}, Timeout: limit}
}

// ask has the API server do something as the administrator. Where what is tested is not
// a user at work, it costs a small part of what kubectl does: on an emulated node that
// takes seconds to begin.
func ask(t *testing.T, method, path, contentType, body string) (status int, answer []byte) {
	t.Helper()
	response := request(t, method, path, contentType, body)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response.StatusCode, answer
}

// request is ask for an answer that is not read yet.
func request(t *testing.T, method, path, contentType, body string) *http.Response {
	t.Helper()
	oneAdministrator.do(t, "the administrator", func() {
		admin, err := tls.LoadX509KeyPair(stateFile(t, "pki", "admin.crt"), stateFile(t, "pki", "admin.key"))
		if err != nil {
			t.Fatal(err)
		}
		administrator = client(t, admin)
	})
	request, err := http.NewRequest(method, apiServer+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := administrator.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

var (
	oneAdministrator setUp
	administrator    *http.Client
)

// demand is ask for what must succeed. It reads the answer into a value, if there is one.
func demand(t *testing.T, method, path, contentType, body string, into any) {
	t.Helper()
	status, answer := ask(t, method, path, contentType, body)
	if status >= 300 {
		t.Fatalf("%s %s: %d: %s", method, path, status, answer)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}

// read gets a path of the core API.
func read(t *testing.T, path string, into any) {
	t.Helper()
	demand(t, http.MethodGet, "/api/v1/"+path, "", "", into)
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
