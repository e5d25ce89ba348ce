//go:build receivers

package receivers

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
)

// collector is an OpenTelemetry Collector that writes what it gets to a file. It keeps its
// addresses and its file when it is started again.
type collector struct {
	*process
	file       string
	grpc, http string
}

// startCollector runs a Collector. Its ports are chosen by the kernel, on an address that
// nothing else on the machine uses: they are free when it comes back.
func startCollector(t *testing.T) *collector {
	t.Helper()
	free := ownHost() + ":0"
	c := &collector{file: filepath.Join(t.TempDir(), "metrics.json"), grpc: free, http: free}
	c.start(t)
	return c
}

// ownHost is an address of this machine that nothing else uses.
func ownHost() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(256), 1+rand.N(254))
}

func (c *collector) start(t *testing.T) {
	t.Helper()
	config := write(t, "collector.yaml",
		"receivers: {otlp: {protocols: {grpc: {endpoint: '"+c.grpc+"'}, http: {endpoint: '"+c.http+"'}}}}",
		"exporters: {file: {path: '"+c.file+"', append: true, flush_interval: 50ms}}",
		"service:",
		"  telemetry: {metrics: {level: none}}",
		"  pipelines: {metrics: {receivers: [otlp], exporters: [file]}}")
	c.process = launch(t, "collector", exec.Command(built(t, "collector"), "--config=file:"+config))
	c.grpc = c.tells(t, `Starting GRPC server.*"endpoint": "([^"]+)"`)
	c.http = c.tells(t, `Starting HTTP server.*"endpoint": "([^"]+)"`)
}

// output is the configuration of podjoule that sends to the Collector.
func (c *collector) output(protocol, more string) string {
	address := c.grpc
	if protocol != "grpc" {
		address = c.http
	}
	return fmt.Sprintf("[plugins.otlp]\nprotocol = %q\nendpoint = \"http://%s\"\n%s\n", protocol, address, more)
}
