package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/podjoule/podjoule/agent"
)

// The NetworkPolicy of docs/security.md is one, of the pods of the DaemonSet and of the
// port that they have.
func TestSecurityNetworkPolicy(t *testing.T) {
	var policy networkingv1.NetworkPolicy
	if err := yaml.UnmarshalStrict([]byte(blocksOf(t, "docs/security.md", "yaml")[0].text), &policy); err != nil {
		t.Fatal(err)
	}
	var agents appsv1.DaemonSet
	if err := yaml.UnmarshalStrict([]byte(readDocument(t, "deploy/kubernetes/daemonset.yaml")), &agents); err != nil {
		t.Fatal(err)
	}
	if policy.Namespace != agents.Namespace || len(policy.Spec.PodSelector.MatchLabels) == 0 {
		t.Errorf("it is for pods in %q with %v", policy.Namespace, policy.Spec.PodSelector.MatchLabels)
	}
	for key, value := range policy.Spec.PodSelector.MatchLabels {
		if agents.Spec.Template.Labels[key] != value {
			t.Errorf("the pods of the DaemonSet have %s = %q, not %q", key, agents.Spec.Template.Labels[key], value)
		}
	}
	port := agents.Spec.Template.Spec.Containers[0].Ports[0].ContainerPort
	if len(policy.Spec.Ingress) != 1 || policy.Spec.Ingress[0].Ports[0].Port.IntVal != port || len(policy.Spec.Ingress[0].From) != 1 {
		t.Errorf("it lets in %+v, want one namespace at port %d", policy.Spec.Ingress, port)
	}
	if !slices.Equal(policy.Spec.PolicyTypes, []networkingv1.PolicyType{"Ingress", "Egress"}) || len(policy.Spec.Egress) != 2 {
		t.Errorf("it is about %v and lets out %+v", policy.Spec.PolicyTypes, policy.Spec.Egress)
	}
}

// The web configuration of docs/security.md is taken, and demands certificates.
func TestSecurityWebConfiguration(t *testing.T) {
	text := blocksOf(t, "docs/security.md", "yaml")[1].text
	folder := t.TempDir()
	certificate, ca := serverCertificate(t, "localhost")
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"web.yml": []byte(text), "ca.crt": ca, "tls.crt": ca, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := "[agent]\nweb_config_file = \"" + filepath.Join(folder, "web.yml") + "\"\n[plugins.rapl]\n"
	load := func() error {
		_, err := agent.Load("config.toml", []byte(config), agent.LoadOptions{Plugins: builtin(), DefaultOutput: defaultOutput})
		return err
	}
	if err := load(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(folder, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	if err := load(); err == nil || !strings.Contains(err.Error(), "ca.crt: no such file") {
		t.Errorf("without the file that verifies clients: %v, want it named", err)
	}
}
