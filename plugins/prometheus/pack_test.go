package prometheus

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/podjoule/podjoule/agent/measure"
)

// unpack reads a file of gzip with the readers of the standard library and of Prometheus.
func unpack(packed []byte) (string, error) {
	r, err := stdgzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", fmt.Errorf("compress/gzip: %w", err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("compress/gzip: %w", err)
	}
	other, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", fmt.Errorf("klauspost: %w", err)
	}
	also, err := io.ReadAll(other)
	if err != nil {
		return "", fmt.Errorf("klauspost: %w", err)
	}
	if string(also) != string(got) {
		return "", errors.New("two readers read different pages")
	}
	return string(got), nil
}

func unpacked(t testing.TB, packed []byte) string {
	t.Helper()
	text, err := unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// linesOf makes a text of parts, with a number after each but the last.
func linesOf(parts []string, numbers func(int) string) *pageText {
	t := new(pageText)
	for i, part := range parts {
		t.add(part)
		if i < len(parts)-1 {
			from := len(t.bytes)
			t.bytes = append(t.bytes, numbers(i)...)
			t.numbers = append(t.numbers, span{from, len(t.bytes)})
		}
	}
	return t
}

// digitsOf returns the numbers of a text alone.
func digitsOf(text *pageText) *pageText {
	digits := new(pageText)
	for i := range text.numbers {
		digits.copyNumber(text, i)
	}
	return digits
}

// A plan packs all pages of the same lines, and no other.
func TestPlan(t *testing.T) {
	long := strings.Repeat("podjoule_", 5000)
	c := newCodes()
	for _, tt := range []struct {
		name  string
		parts []string
	}{
		{"nothing", []string{""}},
		{"one part", []string{"# EOF\n"}},
		{"only numbers", []string{"", "", "", ""}},
		{"short", []string{"a ", "\nb ", "\na ", "\n"}},
		{"lines", []string{`a{x="one",y="two"} `, "\n" + `a{x="one",y="three"} `, "\n" + `a{x="two",y="two"} `, "\n"}},
		{"every byte", []string{everyByte(), everyByte() + everyByte(), ""}},
		{"repetitions of every length", growing()},
		{"far back", []string{"the same text", strings.Repeat("x", window-20) + "\n", "the same text", "the same text", "\n"}},
		{"longer than a repetition", []string{long, long[1:], long, "\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlan(linesOf(tt.parts, strconv.Itoa))
			for _, number := range []string{"", "0", "6.7108864e+07", "-1.7976931348623157e+308", "+Inf", "\xff no number", strings.Repeat("9", 40_000)} {
				text := linesOf(tt.parts, func(i int) string { return number[:len(number)*(i%3+1)/3] })
				if got := unpacked(t, p.pack(nil, digitsOf(text), c, new(checksum))); got != string(text.bytes) {
					t.Fatalf("numbers like %.30q: unpacked is another text (-want +got):\n%s", number, cmp.Diff(string(text.bytes), got))
				}
			}
		})
	}
}

// everyByte has also those with longer codes.
func everyByte() string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return string(all)
}

// growing repeats more and more of a text, so that each length has its turn.
func growing() (parts []string) {
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 600)
	for i := range text {
		text[i] = byte(random.IntN(256))
	}
	parts = append(parts, string(text))
	for length := range text {
		parts = append(parts, string(text[:length])+"|")
	}
	return parts
}

// Texts are the same but for their numbers if each part is, in its place.
func TestSameParts(t *testing.T) {
	text := linesOf([]string{"a ", "\nbc ", "\n"}, strconv.Itoa)
	for _, tt := range []struct {
		parts []string
		want  bool
	}{
		{[]string{"a ", "\nbc ", "\n"}, true},
		{[]string{"b ", "\nbc ", "\n"}, false},
		{[]string{"a ", "\nbc ", ""}, false},
		{[]string{"a ", "\nbc ", "\n "}, false},
		{[]string{"a \n", "bc ", "\n"}, false},
		{[]string{"a ", "\nbc "}, false},
		{[]string{"a ", "\nbc ", "\n", ""}, false},
		{[]string{""}, false},
	} {
		if got := text.sameParts(linesOf(tt.parts, func(i int) string { return strconv.Itoa(77 * i) })); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.parts, got, tt.want)
		}
	}
}

// FuzzPlan packs any lines with any numbers, by the plan of these lines with other numbers.
func FuzzPlan(f *testing.F) {
	f.Add("a{b=\"c\"} \x00\na{b=\"cd\"} \x00\nab{b=\"cd\"} \x00\n", "1", "6.7108864e+07")
	f.Add("\x00\x00", "", "\xff\x90")
	f.Add(strings.Repeat("abcd", 100)+"\x00"+strings.Repeat("abcd", 100), "12", "")
	f.Add(strings.Repeat("x", 300)+"\x00"+strings.Repeat("x", 10), "abcdefgh", "x")
	c := newCodes()
	f.Fuzz(func(t *testing.T, lines, one, other string) {
		parts := strings.Split(lines, "\x00")
		p := newPlan(linesOf(parts, func(i int) string { return one }))
		text := linesOf(parts, func(i int) string { return []string{one, other, other + one}[i%3] })
		if got := unpacked(t, p.pack(nil, digitsOf(text), c, new(checksum))); got != string(text.bytes) {
			t.Fatalf("unpacked is another text (-want +got):\n%s", cmp.Diff(string(text.bytes), got))
		}
	})
}

// The compressed page is the plain one, to the byte, while pods come and go and numbers grow,
// and a page of the same lines is not planned anew.
func TestPackedPages(t *testing.T) {
	m := newMetrics()
	p, _ := openInstrumented(t, nil, m.all()...)
	instruments(t, p.host.Meter, .5, "Help", "s")
	random := rand.New(rand.NewPCG(5, 9))
	var pods []*pod
	for i := range 80 {
		for change := random.IntN(3); change == 1; change = random.IntN(2) {
			name := strconv.Itoa(random.IntN(1000)) + "-" + strconv.Itoa(len(pods)) + "-" + strconv.Itoa(i)
			pods = append(pods, m.newPod("web-"+name, "u-"+name))
		}
		ended := -1
		if len(pods) > 20 && random.IntN(3) == 0 {
			ended = random.IntN(len(pods))
		}
		p.next(t, func(b *measure.Batch) {
			for j, x := range pods {
				if x.sample(b); j == ended {
					b.Retire(x.series()...)
				}
			}
		})
		if ended >= 0 {
			pods = append(pods[:ended:ended], pods[ended+1:]...)
		}
		for _, accept := range []string{text, openMetrics} {
			w := get(t, p.host.Mux, "/metrics", http.Header{"Accept": {accept}, "Accept-Encoding": {"gzip"}})
			if diff := cmp.Diff(p.scrape(t, accept), unpacked(t, w.Body.Bytes())); diff != "" {
				t.Fatalf("tick %d, the compressed page (-plain +compressed):\n%s", i, diff)
			}
		}
	}
}

// Several scrapers get whole pages of one moment while pods come and go.
func TestPackedPagesAtOnce(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	var scrapers sync.WaitGroup
	stop := make(chan struct{})
	for _, accept := range []string{text, openMetrics, openMetrics, text} {
		scrapers.Go(func() {
			for {
				w := get(t, p.host.Mux, "/metrics", http.Header{"Accept": {accept}, "Accept-Encoding": {"gzip"}})
				page, err := unpack(w.Body.Bytes())
				if err != nil {
					t.Error(err)
					return
				}
				if pods := strings.Count(page, "podjoule_memory_usage_bytes{"); strings.Count(page, "podjoule_cpu_percent{") != 3*pods {
					t.Errorf("a page with memory of %d pods and percent of others:\n%s", pods, page)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	var pods []*pod
	for i := range 60 {
		if i%3 == 0 {
			pods = append(pods, m.newPod("web-"+strconv.Itoa(i), "u-"+strconv.Itoa(i)))
		}
		p.next(t, func(b *measure.Batch) {
			for j, x := range pods {
				if x.sample(b); j == 0 && i%7 == 6 {
					b.Retire(x.series()...)
				}
			}
		})
		if i%7 == 6 {
			pods = pods[1:]
		}
	}
	close(stop)
	scrapers.Wait()
}

// The tool of the field reads it too, where it is there.
func TestGunzip(t *testing.T) {
	tool, err := exec.LookPath("gzip")
	if err != nil {
		t.Skip("there is no gzip here")
	}
	p, _ := newMeasuredNode(t)
	w := get(t, p.host.Mux, "/metrics", http.Header{"Accept": {prometheusAccept}, "Accept-Encoding": {"gzip"}})
	cmd := exec.CommandContext(t.Context(), tool, "-dc")
	cmd.Stdin = w.Body
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := p.scrape(t, prometheusAccept)
	if crc32.ChecksumIEEE(got) != crc32.ChecksumIEEE([]byte(want)) {
		t.Errorf("gzip reads another page (-want +got):\n%s", cmp.Diff(want, string(got)))
	}
}
