package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/csv"
	"github.com/podjoule/podjoule/plugins/otlp"
	"github.com/podjoule/podjoule/plugins/remotewrite"
)

// TestFullDisk has all receivers away and the disk full, of the queues and of a CSV file,
// for a minute, in the real host: each failure is counted and told, no tick is late, and in
// the end nothing is missing anywhere.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("needs root, to mount a file system of 2 MiB: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", disk, err)
		}
	})
	synctest.Test(t, func(t *testing.T) { fullDisk(t, disk) })
}

func fullDisk(t *testing.T, disk string) {
	const minute = 60
	away := trouble{spoil: func(*testing.T, *pusher) func(net.Conn) error { return plugintest.Away }}
	pushers := away.pushers(t)
	windows := 0
	file := filepath.Join(disk, "out.csv")
	rows := newInMemory(t, &csv.Config{Path: file, RenameAttributes: plugin.Renames{}})
	plugins := []agent.Enabled{threeSeries(&windows).enabled(), rows.enabled("csv")}
	for _, p := range pushers {
		dir := filepath.Join(disk, p.name)
		switch c := p.Config.(type) {
		case *otlp.Config:
			c.QueueDir, p.faults = dir, "podjoule.otlp.queue.faults"
		case *remotewrite.Config:
			c.QueueDir, p.faults = dir, "podjoule.remotewrite.queue.faults"
		}
		plugins = append(plugins, p.enabled(p.name))
	}
	began := time.Now()
	stop := startAgent(t, plugins...)
	time.Sleep(10*time.Second + 500*time.Millisecond)
	synctest.Wait()
	ballast := filepath.Join(disk, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 4<<20), 0o600) // as much as there is room for
	for _, p := range pushers {
		p.disturb(t, &away)
	}
	time.Sleep(minute * time.Second)
	synctest.Wait()
	for _, p := range pushers {
		if err := p.ready(); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s says: %v; want that the disk is full", p.name, err)
		}
		if got := p.counted(t, p.faults); got < minute {
			t.Errorf("%s: %d failures are counted in %d ticks", p.name, got, minute)
		}
	}
	for _, name := range []string{"csv", "otlp_grpc", "remotewrite_2.0"} {
		if got := rows.ofAgent(t, "podjoule.agent.plugin.errors", name); got < minute-5 {
			t.Errorf("the host counts %d errors of %s in %d ticks", got, name, minute)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for _, p := range pushers {
		p.disturb(t, &trouble{})
	}
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	for _, p := range pushers {
		if err := p.ready(); err != nil {
			t.Errorf("%s, afterwards: %v", p.name, err)
		}
	}
	if late := rows.ofAgent(t, "podjoule.agent.late_ticks", ""); late != 0 {
		t.Errorf("%d ticks were late", late)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	for _, p := range pushers {
		p.balance(t, &away, windows, 0)
	}
	checkRows(t, file, began, windows)
}
