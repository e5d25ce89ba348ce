package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/agent"
)

// The web configuration of docs/security.md is taken, and demands certificates.
func TestSecurityWebConfiguration(t *testing.T) {
	text := blocksOf(t, "docs/security.md", "yaml")[0].text
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
