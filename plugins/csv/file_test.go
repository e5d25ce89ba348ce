package csv

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// session writes one batch as one run of the agent would.
func session(t testing.TB, path string) {
	t.Helper()
	n := newNode()
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: path})
	write(t, out, n.batch(tick))
	if err := out.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func expect(t testing.TB, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", filepath.Base(path), diff)
	}
}

// A reload that changes how a file is rotated has it open twice: there is one header,
// whoever writes first, and every row is whole.
func TestFileIsOpenTwice(t *testing.T) {
	cut := wantHeader + wantRows[:len(wantRows)-20]
	for _, tt := range []struct{ name, before, writes, want string }{
		{"nobody has written yet", "", "new, close", wantHeader + wantRows},
		{"the old one ends before the new one writes", "", "close, new", wantHeader + wantRows},
		{"the old one writes its first rows", "", "old, close, new", wantHeader + wantRows + wantRows},
		{"and ends late", "", "old, new, close", wantHeader + wantRows + wantRows},
		{"a row was cut short before both", cut, "old, new, close", cut + "\n" + wantRows + wantRows},
		{"and the old one has no rows", cut, "new, close", cut + "\n" + wantRows},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.csv")
			if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
			n := newNode()
			host := plugintest.NewHost(t, n.metrics...)
			outputs := map[string]*output{"old": open(t, host, &Config{Path: path}), "new": open(t, host, &Config{Path: path, RotateBytes: 1 << 30})}
			for what := range strings.SplitSeq(tt.writes+", new closes", ", ") {
				switch what {
				case "close":
					if err := outputs["old"].Close(); err != nil {
						t.Error(err)
					}
				case "new closes":
					if err := outputs["new"].Close(); err != nil {
						t.Error(err)
					}
				default:
					write(t, outputs[what], n.batch(tick))
				}
			}
			expect(t, path, tt.want)
		})
	}
}

// The file is moved away since a reload wants other columns. What the output that is
// replaced writes last is in the file that was moved. Where the reload fails, the output
// goes on at the path.
func TestReplacedStaysWithItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	n := newNode()
	host := plugintest.NewHost(t, n.metrics...)
	old := open(t, host, &Config{Path: path})
	write(t, old, n.batch(tick))
	move := func(to string) {
		t.Helper()
		if err := os.Rename(path, to); err != nil {
			t.Fatal(err)
		}
	}
	next := func() *output {
		with := *host
		h := *host.Host
		h.Replaces = old
		with.Host = &h
		return open(t, &with, &Config{Path: path, RenameAttributes: plugin.Renames{"name": "name2"}})
	}

	move(path + ".1")
	failed := next()
	if err := failed.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, old, n.batch(tick))
	expect(t, path, wantHeader+wantRows)

	move(path + ".2")
	other := next()
	write(t, old, n.batch(tick))
	write(t, other, n.batch(tick))
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	write(t, other, n.batch(tick))
	expect(t, path+".2", wantHeader+wantRows+wantRows)
	header := strings.Replace(wantHeader, ",name,", ",name2,", 1)
	if header == wantHeader {
		t.Fatal("the other columns are the same")
	}
	expect(t, path, header+wantRows+wantRows)
}

func TestAppendsToAnExistingFile(t *testing.T) {
	half := wantRows[:len(wantRows)-20]
	for _, tt := range []struct{ name, before, want string }{
		{"new", "", wantHeader + wantRows},
		{"header only", wantHeader, wantHeader + wantRows},
		{"rows", wantHeader + wantRows, wantHeader + wantRows + wantRows},
		{"cut within the header", wantHeader[:17], wantHeader + wantRows},
		{"cut before the header's line end", wantHeader[:len(wantHeader)-1], wantHeader + wantRows},
		{"cut within a row", wantHeader + half, wantHeader + half + "\n" + wantRows},
		{"cut within a quoted cell", wantHeader + `2026,"a,""b`, wantHeader + `2026,"a,""b"` + "\n" + wantRows},
		{"cut after a quoted cell", wantHeader + `2026,"a,b"`, wantHeader + `2026,"a,b"` + "\n" + wantRows},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.csv")
			if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
			session(t, path)
			expect(t, path, tt.want)
		})
	}
}

func TestRefusesToOpen(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.csv")
	if err := os.WriteFile(other, []byte("metric;timestamp;value\na;b;c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, want string }{
		{"other columns", other, "other columns than these: " + wantHeader[:20]},
		{"missing directory", filepath.Join(dir, "no", "out.csv"), "make the directory " + filepath.Join(dir, "no") + " first"},
		{"directory", dir, "is a directory"},
		{"pipe without a reader", pipe, "no such device"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Config{Path: tt.path}
			_, err := c.Open(t.Context(), plugintest.NewHost(t, newNode().metrics...).Host)
			if err == nil || !strings.HasPrefix(err.Error(), "path: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one about the path with %q", err, tt.want)
			}
		})
	}
	expect(t, other, "metric;timestamp;value\na;b;c\n")
}

func TestWritesToADevice(t *testing.T) { session(t, "/dev/null") }

func TestFullDevice(t *testing.T) {
	n := newNode()
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: "/dev/full"})
	err := out.Write(t.Context(), n.batch(tick))
	if err == nil || !strings.Contains(err.Error(), "/dev/full") || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Write: error %v, want one that names file and cause", err)
	}
	if err := out.Close(); err == nil {
		t.Error("Close: no error, though rows are lost")
	}
}

func TestFollowsAFileThatIsMoved(t *testing.T) {
	n := newNode()
	path := filepath.Join(t.TempDir(), "out.csv")
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: path})
	write(t, out, n.batch(tick))

	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, out, n.batch(tick))
	expect(t, path+".1", wantHeader+wantRows)
	expect(t, path, wantHeader+wantRows)

	if err := os.Truncate(path, 0); err != nil { // copytruncate
		t.Fatal(err)
	}
	write(t, out, n.batch(tick))
	expect(t, path, wantHeader+wantRows)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, out, n.batch(tick))
	if err := out.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	expect(t, path, wantHeader+wantRows)
}

func TestRowsWaitWhileAMovedFileCannotBeMadeAgain(t *testing.T) {
	n := newNode()
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "out.csv")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: path})
	write(t, out, n.batch(tick))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := out.Write(t.Context(), n.batch(tick)); err == nil || !strings.Contains(err.Error(), "make the directory") {
		t.Errorf("Write: error %v, want one that names the remedy", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, out, n.batch(tick))
	if err := out.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	expect(t, path, wantHeader+wantRows+wantRows)
}

func TestHalfARowIsRepeatedWholeInTheNextFile(t *testing.T) {
	n := newNode()
	path := filepath.Join(t.TempDir(), "out.csv")
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: path})
	first := strings.Index(wantRows, "\n") + 1
	out.sink.w = &narrow{room: len(wantHeader) + first + 40} // one row and a piece of the second
	if err := out.Write(t.Context(), n.batch(tick)); err == nil {
		t.Fatal("Write: no error, though there was no room")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	expect(t, path, wantHeader+wantRows[first:])
}

// FuzzRestart cuts a file at any place, as a crash may, and checks that the
// rows of the next run are whole.
func FuzzRestart(f *testing.F) {
	f.Add("a", "b", uint16(3))
	f.Add(`{"team":"a,b"}`, "two\nlines", uint16(60))
	f.Add(`"`, `""`, uint16(71))
	f.Fuzz(func(t *testing.T, a, b string, cut uint16) {
		metric := &measure.Metric{Name: "m", Attributes: []string{"a", "b"}}
		series := &measure.Series{Metric: metric, Attributes: []measure.Attribute{{Key: "a", Value: a}, {Key: "b", Value: b}}}
		path := filepath.Join(t.TempDir(), "out.csv")
		run := func() {
			out := open(t, plugintest.NewHost(t, metric), &Config{Path: path})
			var batch measure.Batch
			batch.Reset(0, tick, tick)
			batch.Uint(series, 1)
			batch.Uint(series, 2)
			write(t, out, &batch)
			if err := out.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
		}
		run()
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		left := whole[:int(cut)%(len(whole)+1)]
		if strings.HasSuffix(string(left), "\n") && strings.Count(string(left), `"`)%2 == 1 {
			t.Skip("cut right after a line end inside a cell: looks like the end of a row")
		}
		if err := os.WriteFile(path, left, 0o600); err != nil {
			t.Fatal(err)
		}
		run()

		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(got), string(left)) {
			t.Fatalf("the file no longer starts with what it held")
		}
		r := csv.NewReader(strings.NewReader(string(got)))
		r.FieldsPerRecord = -1
		records, err := r.ReadAll()
		if err != nil {
			t.Fatalf("read back: %v\n%s", err, got)
		}
		// A reader of CSV turns CR LF inside a cell into LF.
		a, b = strings.ReplaceAll(a, "\r\n", "\n"), strings.ReplaceAll(b, "\r\n", "\n")
		row := func(value string) []string {
			return []string{tick.UTC().Format(timeLayout), "m", "1", value, "", "", "", "", a, b}
		}
		want := [][]string{row("1"), row("2")}
		if diff := cmp.Diff(want, records[len(records)-2:]); diff != "" {
			t.Errorf("last rows (-want +got):\n%s", diff)
		}
	})
}
