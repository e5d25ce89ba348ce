package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/podjoule/podjoule/simnode"
)

// No output has a secret of the configuration in it, whatever is wrong with the line
// that the secret stands in. All secrets here have "hunter" in them.
func TestSecretsStayInTheConfiguration(t *testing.T) {
	places := []string{
		"basic_auth = { username = \"me\", password = VALUE }",
		"authorization = { credentials = VALUE }",
		"oauth2 = { client_id = \"me\", client_secret = VALUE, token_url = \"https://x/\" }",
		"oauth2 = { client_id = \"me\", endpoint_params = { x = VALUE } }",
		"oauth2 = { client_id = \"me\", client_secret = \"x\", token_url = VALUE }",
		"oauth2 = { proxy_connect_header = { X = [VALUE] } }",
		"oauth2 = { tls_config = { key = VALUE } }",
		"tls_config = { cert_file = \"/c\", key = VALUE }",
		"tls_config = { cert_file = \"/c\", key_pem = VALUE }",
		"proxy_url = VALUE",
		"proxy_connect_header = { X = [VALUE] }",
		"proxy_connect_header = { X = VALUE }",
		"http_headers = { X = [VALUE] }",
		"http_headers = { X = VALUE }",
		"http_headers = { X = { secrets = [VALUE] } }",
		"http_headers = { X = { secrets = VALUE } }",
		"http_headers = VALUE",
		"k8s_api_url = VALUE",
	}
	values := []string{
		`"hunter2"`, `"http://me:hunter2@x"`, "hunter2", "thunter2", "fhunter", `"hunter2`, `"""hunter2`, `"hunter\q2"`, "[\"hunter2\"]", "{ x = \"hunter2\" }", `"hunter2" x = "y"`, "${HUNTER}", `"${HUNTER}"`,
	}
	places = append(places,
		"[plugins.otlp]\nheaders = { X = VALUE }",
		"[plugins.otlp]\nheaders = { X = [VALUE] }",
		"[plugins.otlp]\nheaders = { \"a b\" = VALUE }",
		"[plugins.otlp]\nheaders = VALUE",
		"[plugins.otlp]\nendpoint = VALUE",
	)
	t.Setenv("HUNTER", "hunter2")
	for _, place := range places {
		for _, value := range values {
			file := configFile(t, "[plugins.k8s]\n"+strings.Replace(place, "VALUE", value, 1)+"\n")
			if out := check(file); strings.Contains(out, "hunter") || strings.Contains(out, "goroutine") {
				t.Errorf("%s with %s: %s", place, value, out)
			}
		}
	}
	if _, stdout, _ := finish(t, program(t, "config", "default")); !strings.Contains(stdout, "password = \"\"") {
		t.Errorf("the defaults lack password:\n%s", stdout)
	}
}

// check returns all that podjoule config check says.
func check(file string) string {
	var out strings.Builder
	command := newCommand()
	command.SetArgs([]string{"config", "check", "--config", file})
	command.SetOut(&out)
	command.SetErr(&out)
	err := command.Execute()
	fmt.Fprintln(&out, err) // as main does
	return out.String()
}

// The program that runs with secrets in all places, against servers that refuse it,
// shows none in its log, on its pages or in its rows.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer refuses.Close()
	command := filepath.Join(t.TempDir(), "login")
	if err := os.WriteFile(command, []byte("#!/bin/sh\necho hunter2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	kubeconfig := configFile(t, fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}],
clusters: [{name: x, cluster: {server: "https://127.0.0.1:1"}}],
users: [{name: x, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, interactiveMode: Never}}}]}`, command))
	for name, settings := range map[string]string{
		"basic_auth": `basic_auth = { username = "me", password = "hunter2" }
http_headers = { X = ["hunter2"] }
k8s_api_url = "URL"`,
		"oauth2": `oauth2 = { client_id = "me", client_secret = "hunter2", token_url = "URL/?x=hunter2" }`,
		"proxy": `authorization = { credentials = "hunter2" }
proxy_url = "http://me:hunter2@127.0.0.1:1"
proxy_connect_header = { X = ["hunter2"] }`,
		"kubeconfig": fmt.Sprintf("kubeconfig = %q", kubeconfig),
		"otlp": `k8s_api_url = "URL"
[plugins.otlp]
protocol = "http/protobuf"
endpoint = "URL"
headers = { authorization = "Bearer hunter2" }`,
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, "node-1", simnode.V2)
			config := fmt.Sprintf("[agent]\nlisten = \"127.0.0.1:0\"\nlog_level = \"debug\"\n[plugins.csv]\n[plugins.prometheus]\n[plugins.k8s]\nk8s_node = \"node-1\"\ncgroup_root = %q\npoll_interval = \"100ms\"\n%s\n",
				n.tree.Root(), strings.ReplaceAll(settings, "URL", refuses.URL))
			cmd := program(t, "run", "--config", configFile(t, config))
			rows, log := new(output), new(output)
			cmd.Stdout, cmd.Stderr = rows, log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			listens := regexp.MustCompile(`listen=(\S+)`)
			eventually(t, "the listener", func() bool { return listens.MatchString(log.String()) })
			address := "http://" + listens.FindStringSubmatch(log.String())[1]
			var ready string
			eventually(t, "the complaint", func() bool {
				_, ready = get(t, address+"/readyz")
				return strings.Contains(ready, "the pods of node") && strings.Contains(log.String(), "the pods of node")
			})
			_, metrics := get(t, address+"/metrics")
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			for what, text := range map[string]string{"/readyz": ready, "/metrics": metrics, "the rows": rows.String(), "the log": log.String()} {
				if strings.Contains(text, "hunter") {
					t.Errorf("%s: %s", what, text)
				}
			}
		})
	}
}
