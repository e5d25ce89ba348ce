package main

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCleanSpans(t *testing.T) {
	const text = `00400000-0118e000 r-xp 00000000 fe:00 9978021   /opt/podjoule
Size:              13880 kB
Rss:                9000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
0118e000-0208a000 r--p 00d8e000 fe:00 9978021   /opt/podjoule
Anonymous:             0 kB
0208a000-0208b000 r--p 01c8a000 fe:00 9978021   /opt/podjoule
Anonymous:             4 kB
0208b000-02121000 rw-p 01c8b000 fe:00 9978021   /opt/podjoule
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:          2048 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 1   /opt/podjoule.so
Anonymous:             0 kB
7f0000002000-7f0000003000 r--p 00000000 fe:00 1   /lib/x/opt/podjoule
Anonymous:             0 kB
7fff00000000-7fff00001000 r-xp 00000000 00:00 0   [vdso]
Anonymous:             0 kB
`
	want := []span{{0x400000, 0xd8e000}, {0x118e000, 0xefc000}}
	got, err := cleanSpans(strings.NewReader(text), "/opt/podjoule")
	if err != nil || !cmp.Equal(got, want, cmp.AllowUnexported(span{})) {
		t.Errorf("got %#x, %v, want %#x", got, err, want)
	}
	// One that was replaced on disk is mapped still, and says so.
	gone := strings.ReplaceAll(text, "/opt/podjoule\n", "/opt/podjoule (deleted)\n")
	if got, err := cleanSpans(strings.NewReader(gone), "/opt/podjoule (deleted)"); err != nil || !cmp.Equal(got, want, cmp.AllowUnexported(span{})) {
		t.Errorf("of a deleted file: got %#x, %v, want %#x", got, err, want)
	}
	for _, bad := range []string{"x-2000 r--p 0 fe:00 1 /opt/podjoule\n", "1000-x r--p 0 fe:00 1 /opt/podjoule\n", "1000 r--p 0 fe:00 1 /opt/podjoule\n"} {
		if got, err := cleanSpans(strings.NewReader(bad), "/opt/podjoule"); err == nil {
			t.Errorf("%q: got %#x and no error", bad, got)
		}
	}
}

// The program goes on with fewer pages of its own.
func TestForgetStart(t *testing.T) {
	before := residentFile(t)
	if err := forgetStart(); err != nil {
		t.Fatal(err)
	}
	if after := residentFile(t); after > before*9/10 {
		t.Errorf("%d kB of files are resident, of %d kB before", after, before)
	}
}

// residentFile is how much of files is resident in this process, on a disk or in memory, in kB.
func residentFile(t *testing.T) (sum int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); key == "RssFile" || key == "RssShmem" {
			kB, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			sum += kB
		}
	}
	return sum
}
