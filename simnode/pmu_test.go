package simnode

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// eventOf reads an open event: its count, and for how long it was counted.
func eventOf(t *testing.T, p *PMUs, fd int) (count uint64, ran time.Duration) {
	t.Helper()
	b := make([]byte, 24)
	n, err := p.Read(fd, b)
	must(t, err)
	if n != 24 {
		t.Fatalf("a reading of %d bytes, want 24", n)
	}
	return binary.NativeEndian.Uint64(b), time.Duration(binary.NativeEndian.Uint64(b[16:]))
}

func TestPMUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sysfs := t.TempDir()
		p, err := NewPMUs(sysfs, AMDServerPMUs()...)
		must(t, err)
		for path, want := range map[string]string{
			"bus/event_source/devices/power/type":                    "23\n",
			"bus/event_source/devices/power_core/type":               "24\n",
			"bus/event_source/devices/power/cpumask":                 "0,64\n",
			"bus/event_source/devices/power/events/energy-pkg":       "event=0x02\n",
			"bus/event_source/devices/power/events/energy-pkg.unit":  "Joules\n",
			"devices/system/cpu/cpu64/topology/physical_package_id":  "1\n",
			"devices/system/cpu/cpu65/topology/core_id":              "1\n",
			"bus/event_source/devices/power_core/events/energy-core": "event=0x01\n",
			"bus/event_source/devices/power_core/format/event":       "config:0-7\n",
			"bus/event_source/devices/power/events/energy-pkg.scale": "2.3283064365386962890625e-10\n",
			"bus/event_source/devices/power_core/events/../cpumask":  "0,1,64,65\n",
			"devices/system/cpu/cpu64/topology/die_id":               "0\n",
		} {
			got, err := os.ReadFile(filepath.Join(sysfs, path))
			if err != nil || string(got) != want {
				t.Errorf("%s: %q, %v; want %q", path, got, err, want)
			}
		}
		must(t, p.Spend("power", "energy-pkg", 64, 7))
		fd, err := p.Open(firstKind, 2, 64)
		must(t, err)
		must(t, p.Spend("power", "energy-pkg", 64, 5))
		time.Sleep(time.Second)
		if n, ran := eventOf(t, p, fd); n != 5 || ran != time.Second {
			t.Errorf("%d in %v, want 5 in 1 s: it begins when it is opened", n, ran)
		}
		// On another CPU it counts on; without one it stands still, and time does too.
		must(t, p.Move("power", 64, PMUCPU{CPU: 70, Socket: 1}))
		must(t, p.Spend("power", "energy-pkg", 64, 5))
		time.Sleep(time.Second)
		if n, ran := eventOf(t, p, fd); n != 10 || ran != 2*time.Second {
			t.Errorf("%d in %v, want 10 in 2 s", n, ran)
		}
		must(t, p.Stop("power", 70))
		must(t, p.Spend("power", "energy-pkg", 64, 5))
		time.Sleep(time.Second)
		if n, ran := eventOf(t, p, fd); n != 10 || ran != 2*time.Second {
			t.Errorf("%d in %v, want 10 in 2 s", n, ran)
		}
		if _, err := p.Open(firstKind, 2, 70); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("an event on a CPU that is offline: %v", err)
		}
		must(t, p.Start("power", PMUCPU{CPU: 70, Socket: 1}))
		again, err := p.Open(firstKind, 2, 70)
		must(t, err)
		if n, _ := eventOf(t, p, again); n != 0 || p.Opened() != 2 {
			t.Errorf("%d of %d events, want 0 of 2", n, p.Opened())
		}
		must(t, p.Close(fd))
		if err := p.Close(fd); !errors.Is(err, syscall.EBADF) {
			t.Errorf("closed twice: %v", err)
		}
		if _, err := p.Read(fd, make([]byte, 24)); !errors.Is(err, syscall.EBADF) {
			t.Errorf("read when closed: %v", err)
		}
	})
}

// The kernel's answers to what it does not know.
func TestPMUsRefuse(t *testing.T) {
	p, err := NewPMUs(t.TempDir(), TwoSocketServerPMUs()...)
	must(t, err)
	for want, open := range map[error]func() (int, error){
		syscall.ENOENT: func() (int, error) { return p.Open(firstKind+1, 2, 0) },
		syscall.EINVAL: func() (int, error) { return p.Open(firstKind, 4, 0) },
		syscall.ENODEV: func() (int, error) { return p.Open(firstKind, 2, 1) },
		syscall.EACCES: func() (int, error) { p.Refuse(syscall.EACCES); return p.Open(firstKind, 2, 0) },
	} {
		if _, err := open(); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		p.Refuse(nil)
	}
	if p.Spend("power", "energy-gpu", 0, 1) == nil || p.Move("power", 5, PMUCPU{}) == nil || p.Start("other", PMUCPU{}) == nil {
		t.Error("a counter that is not there counts, or moves")
	}
	if _, err := NewPMUs(t.TempDir(), PMU{Name: "power", Events: []string{"energy-x"}}); err == nil {
		t.Error("an event without a number")
	}
}
