//go:build receivers

// Package receivers shows on real receivers what podjoule sends and serves: the real
// program measures a simulated node whose truth is known, and a real OpenTelemetry
// Collector and a real Prometheus tell what came to them.
package receivers

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// hostVariable has the name of the host that a program is to see.
const hostVariable = "PODJOULE_RECEIVERS_HOST"

// TestMain is the tests, or the way into a host of another name.
func TestMain(m *testing.M) {
	if host := os.Getenv(hostVariable); host != "" {
		fmt.Fprintln(os.Stderr, become(host, os.Args[1:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// become turns this process, which has a UTS namespace of its own, into another program.
func become(host string, command []string) error {
	if err := syscall.Sethostname([]byte(host)); err != nil {
		return fmt.Errorf("name the host %s: %w", host, err)
	}
	if err := syscall.Exec(command[0], command, os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	return nil
}
