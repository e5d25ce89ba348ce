package k8s

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/agent/plugin"
)

// What excludes each other, and what needs each other, is told with the key that the
// host finds the line of, and without a secret.
func TestExclusions(t *testing.T) {
	const (
		basic  = "basic_auth = { username = \"me\", password = \"hunter2\" }\n"
		header = "authorization = { credentials = \"hunter2\" }\n"
		file   = "bearer_token_file = \"/token\"\n"
		oauth  = "oauth2 = { client_id = \"me\", client_secret = \"hunter2\", token_url = \"https://login.example/token\" }\n"
		config = "kubeconfig = \"~/.kube/config\"\n"
		proxy  = "proxy_url = \"http://me:hunter2@proxy:3128\"\n"
	)
	pem := newIdentity(t, "podjoule")
	ca := fmt.Sprintf("%q", pem.cert)
	key := fmt.Sprintf("%q", pem.key)
	oauthWith := func(more string) string { return strings.Replace(oauth, " }", ", "+more+" }", 1) }
	tests := []struct{ name, text, key, want string }{
		{"basic_auth and authorization", basic + header, "authorization", "contradicts basic_auth"},
		{"basic_auth and oauth2", basic + oauth, "oauth2", "contradicts basic_auth"},
		{"basic_auth and bearer_token_file", basic + file, "bearer_token_file", "contradicts basic_auth"},
		{"authorization and oauth2", header + oauth, "oauth2", "contradicts authorization"},
		{"authorization and bearer_token_file", header + file, "bearer_token_file", "contradicts authorization"},
		{"oauth2 and bearer_token_file", oauth + file, "bearer_token_file", "contradicts oauth2"},

		{"basic_auth and a token", basic + `token_retrieval = "auto"`, "token_retrieval", "contradicts basic_auth"},
		{"authorization and a token", header + `token_retrieval = "file"`, "token_retrieval", "contradicts authorization"},
		{"oauth2 and a token", oauth + `token_retrieval = "kubectl"`, "token_retrieval", "contradicts oauth2"},
		{"bearer_token_file and a token", file + `token_retrieval = { file = "/token" }`, "token_retrieval", "contradicts bearer_token_file"},
		{"kubeconfig and a token", config + `token_retrieval = "auto"`, "token_retrieval", "contradicts kubeconfig"},

		{"two passwords", `basic_auth = { password = "hunter2", password_file = "/p" }`, "basic_auth.password_file", "contradicts basic_auth.password"},
		{"two credentials", `authorization = { credentials = "hunter2", credentials_file = "/p" }`, "authorization.credentials_file", "contradicts authorization.credentials"},
		{"two secrets", oauthWith(`client_secret_file = "/s"`), "oauth2.client_secret_file", "contradicts oauth2.client_secret"},
		{"type basic", `authorization = { type = "Basic", credentials = "hunter2" }`, "authorization.type", "use basic_auth"},
		{"a type alone", `authorization = { type = "Token" }`, "authorization", "needs credentials or credentials_file"},
		{"a line end", `authorization = { credentials = "hunter2\n" }`, "authorization", "control character"},
		{"oauth2 without an ID", `oauth2 = { client_secret = "hunter2", token_url = "https://x/" }`, "oauth2", "needs client_id"},
		{"oauth2 without a URL", `oauth2 = { client_id = "me", client_secret = "hunter2" }`, "oauth2", "needs token_url"},
		{"oauth2 without a secret", `oauth2 = { client_id = "me", token_url = "https://x/" }`, "oauth2", "needs client_secret or client_secret_file"},
		{"oauth2 with a URL that is none", `oauth2 = { client_id = "me", client_secret = "hunter2", token_url = "hunter2" }`, "oauth2.token_url", "want a URL"},
		{"oauth2 with a password in its URL", `oauth2 = { client_id = "me", client_secret = "s", token_url = "https://me:hunter2@x/" }`, "oauth2.token_url", "password"},
		{"oauth2 over plain HTTP", `oauth2 = { client_id = "me", client_secret = "hunter2", token_url = "http://10.0.0.1/" }`, "oauth2.token_url", "allow_insecure_token"},

		{"two authorities", "tls_config = { ca = " + ca + ", ca_file = \"/ca\" }", "tls_config.ca_file", "contradicts tls_config.ca"},
		{"two names of one", "tls_config = { ca = " + ca + ", ca_pem = " + ca + " }", "tls_config.ca_pem", "contradicts tls_config.ca"},
		{"two certificates", "tls_config = { cert = " + ca + ", cert_file = \"/c\", key_file = \"/k\" }", "tls_config.cert_file", "contradicts tls_config.cert"},
		{"two keys", "tls_config = { cert_file = \"/c\", key = \"hunter2\", key_file = \"/k\" }", "tls_config.key_file", "contradicts tls_config.key"},
		{"a certificate without a key", `tls_config = { cert_file = "/c" }`, "tls_config.cert_file", "needs a key"},
		{"a key without a certificate", `tls_config = { key_file = "/k" }`, "tls_config.key_file", "needs a certificate"},
		{"Alloy's key without a certificate", `tls_config = { key_pem = "hunter2" }`, "tls_config.key_pem", "needs a certificate"},
		{"an authority that is none", `tls_config = { ca = "hunter2" }`, "tls_config.ca", "no certificate in PEM"},
		{"a certificate that is none", "tls_config = { cert = \"hunter2\", key = " + key + " }", "tls_config.cert", "PEM"},
		{"a version", `tls_config = { min_version = "hunter2" }`, "tls_config.min_version", "TLS10, TLS11, TLS12, TLS13"},
		{"oauth2's certificate without a key", oauthWith(`tls_config = { cert_file = "/c" }`), "oauth2.tls_config.cert_file", "needs a key"},
		{"ca_file and tls_config", "ca_file = \"/ca\"\ntls_config = { ca_file = \"/ca\" }", "ca_file", "contradicts tls_config"},
		{"ca_file and unverified", "ca_file = \"/ca\"\ntls_config = { insecure_skip_verify = true }", "ca_file", "contradicts tls_config"},
		{"insecure_skip_verify and tls_config", "insecure_skip_verify = true\ntls_config = { ca = " + ca + " }", "insecure_skip_verify", "contradicts tls_config"},
		{"insecure_skip_verify and ca_file", "insecure_skip_verify = true\nca_file = \"/ca\"", "insecure_skip_verify", "contradicts ca_file"},

		{"no_proxy alone", `no_proxy = "x"`, "no_proxy", "needs proxy_url"},
		{"two proxies", proxy + "proxy_from_environment = true", "proxy_from_environment", "contradicts proxy_url"},
		{"no_proxy and the environment", "no_proxy = \"x\"\nproxy_from_environment = true", "proxy_from_environment", "contradicts no_proxy"},
		{"a header without a proxy", `proxy_connect_header = { X = ["hunter2"] }`, "proxy_connect_header", "needs proxy_url or proxy_from_environment"},
		{"a header's line end", proxy + `proxy_connect_header = { X = ["hunter2\n"] }`, "proxy_connect_header", "no header may have"},
		{"a proxy that is none", `proxy_url = "me:hunter2@proxy"`, "proxy_url", "want a URL"},
		{"an FTP proxy", `proxy_url = "ftp://me:hunter2@proxy"`, "proxy_url", "want a URL"},
		{"oauth2 with no_proxy alone", oauthWith(`no_proxy = "x"`), "oauth2.no_proxy", "needs proxy_url"},
		{"oauth2 with two proxies", oauthWith(`proxy_url = "http://p", proxy_from_environment = true`), "oauth2.proxy_from_environment", "contradicts oauth2.proxy_url"},
		{"this machine through another", basic + proxy, "proxy_url", "allow_insecure_token"},
		{"this machine's token endpoint through another", `oauth2 = { client_id = "me", client_secret = "hunter2", token_url = "http://127.0.0.1/", proxy_url = "http://proxy" }`, "oauth2.proxy_url", "allow_insecure_token"},

		{"a header of the agent", `http_headers = { authorization = ["hunter2"] }`, "http_headers.authorization", "basic_auth"},
		{"a name that is none", `http_headers = { "hunter 2" = ["x"] }`, "http_headers", "no header may have"},
		{"a value that is none", `http_headers = { X = ["hunter2\n"] }`, "http_headers.X", "control character"},

		{"context alone", `context = "minikube"`, "context", "needs kubeconfig"},
		{"kubeconfig and k8s_api_url", config + `k8s_api_url = "https://x"`, "k8s_api_url", "contradicts kubeconfig"},
		{"kubeconfig and basic_auth", config + basic, "basic_auth", "contradicts kubeconfig"},
		{"kubeconfig and authorization", config + header, "authorization", "contradicts kubeconfig"},
		{"kubeconfig and oauth2", config + oauth, "oauth2", "contradicts kubeconfig"},
		{"kubeconfig and bearer_token_file", config + file, "bearer_token_file", "contradicts kubeconfig"},
		{"kubeconfig and ca_file", config + `ca_file = "/ca"`, "ca_file", "contradicts kubeconfig"},
		{"kubeconfig and insecure_skip_verify", config + `insecure_skip_verify = true`, "insecure_skip_verify", "contradicts kubeconfig"},
		{"kubeconfig and tls_config", config + `tls_config = { server_name = "x" }`, "tls_config", "contradicts kubeconfig"},
		{"kubeconfig and proxy_url", config + proxy, "proxy_url", "contradicts kubeconfig"},
		{"kubeconfig and no_proxy", config + `no_proxy = "x"`, "no_proxy", "contradicts kubeconfig"},
		{"kubeconfig and proxy_from_environment", config + `proxy_from_environment = true`, "proxy_from_environment", "contradicts kubeconfig"},
		{"kubeconfig and proxy_connect_header", config + `proxy_connect_header = { X = ["hunter2"] }`, "proxy_connect_header", "contradicts kubeconfig"},
		{"kubeconfig and follow_redirects", config + `follow_redirects = false`, "follow_redirects", "contradicts kubeconfig"},
		{"kubeconfig and enable_http2", config + `enable_http2 = false`, "enable_http2", "contradicts kubeconfig"},
		{"kubeconfig and http_headers", config + `http_headers = { X = ["hunter2"] }`, "http_headers", "contradicts kubeconfig"},

		{"basic_auth over plain HTTP", basic + `k8s_api_url = "http://10.0.0.1"`, "k8s_api_url", "allow_insecure_token"},
		{"authorization to a kubelet over plain HTTP", header + `kubelet_url = "http://10.0.0.1"`, "kubelet_url", "allow_insecure_token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := parse(t, tt.text).Validate()
			var about *plugin.KeyError
			if !errors.As(err, &about) || about.Key != tt.key {
				t.Fatalf("error %v, want one about %s", err, tt.key)
			}
			wantError(t, err, tt.want)
		})
	}
}

// What goes together is taken together.
func TestWhatGoesTogether(t *testing.T) {
	for _, text := range []string{
		"",
		`token_retrieval = "auto"`,
		"token_retrieval = \"file\"\ntls_config = { cert_file = \"/c\", key_file = \"/k\" }\nhttp_headers = { X = [\"y\"] }",
		`basic_auth = { username = "me" }`,
		"ca_file = \"/ca\"\ntls_config = { server_name = \"x\", min_version = \"TLS13\" }",
		"k8s_api_url = \"https://x\"\nproxy_url = \"socks5://me:pass@proxy:1080\"\nno_proxy = \"10.0.0.0/8,.local\"\nproxy_connect_header = { X = [\"y\"] }",
		"k8s_api_url = \"https://x\"\nproxy_from_environment = true\nproxy_connect_header = { X = [\"y\"] }",
		`proxy_url = "http://127.0.0.1:3128"`,
		"proxy_url = \"http://proxy:3128\"\nallow_insecure_token = true",
		"proxy_url = \"http://proxy:3128\"\nno_proxy = \"127.0.0.1\"",
		"kubeconfig = \"~/.kube/config\"\ncontext = \"minikube\"",
		"k8s_api_url = \"http://10.0.0.1\"\nallow_insecure_token = true\nbasic_auth = { username = \"me\" }",
	} {
		if err := parse(t, text).Validate(); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

// A secret shows itself in no way of printing, and a wrong value of a header neither.
func TestSecretsAreNotShown(t *testing.T) {
	c := parse(t, `proxy_url = "http://me:hunter2@proxy"
http_headers = { X = ["hunter2"] }
proxy_connect_header = { X = ["hunter2"] }
tls_config = { key = "hunter2" }
basic_auth = { password = "hunter2" }
authorization = { credentials = "hunter2" }
oauth2 = { client_secret = "hunter2", endpoint_params = { x = "hunter2" } }`)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(verb, *c); strings.Contains(text, "hunter") || strings.Contains(text, "68756e746572") {
			t.Errorf("%s shows a secret: %s", verb, text)
		}
	}
	if text := fmt.Sprint(c.BasicAuth.Password, Secret("")); text != "<secret> " && text != "<secret>" {
		t.Errorf("a secret and none read %q", text)
	}
	for _, value := range []any{"hunter2", int64(1), []any{"x", int64(1)}, map[string]any{"value": []any{"hunter2"}}, map[string]any{"files": "hunter2"}} {
		var h Header
		err := h.UnmarshalTOML(value)
		if err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%v: error %v, want one without the value", value, err)
		}
	}
}
