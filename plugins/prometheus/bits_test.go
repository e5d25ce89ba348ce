package prometheus

import (
	"strings"
	"testing"
)

// The codes are those of RFC 1951, bit by bit as they come.
func TestCodes(t *testing.T) {
	c := newCodes()
	for _, tt := range []struct {
		name  string
		write func(*bitWriter)
		want  string
	}{
		{"the first byte", func(w *bitWriter) { w.text([]byte{0}) }, "00110000"},
		{"the last short one", func(w *bitWriter) { w.text([]byte{143}) }, "10111111"},
		{"the first long one", func(w *bitWriter) { w.text([]byte{144}) }, "110010000"},
		{"the last byte", func(w *bitWriter) { w.text([]byte{255}) }, "111111111"},
		{"the shortest and nearest", func(w *bitWriter) { w.repeat(3, 1) }, "0000001" + "00000"},
		{"4 back", func(w *bitWriter) { w.repeat(10, 4) }, "0001000" + "00011"},
		{"with extra bits", func(w *bitWriter) { w.repeat(12, 5) }, "0001001" + "1" + "00100" + "0"},
		{"6 back", func(w *bitWriter) { w.repeat(114, 6) }, "0010111" + "1111" + "00100" + "1"},
		{"the first of the longer codes", func(w *bitWriter) { w.repeat(115, 7) }, "11000000" + "0000" + "00101" + "0"},
		{"the longest but one", func(w *bitWriter) { w.repeat(257, 24577) }, "11000100" + "01111" + "11101" + "0000000000000"},
		{"the longest and farthest", func(w *bitWriter) { w.repeat(longest, window) }, "11000101" + "11101" + "1111111111111"},
	} {
		w := &bitWriter{codes: c}
		tt.write(w)
		size := 8*len(w.out) + int(w.n)
		var got strings.Builder
		for i, b := range w.end() {
			for bit := range 8 {
				if 8*i+bit < size {
					got.WriteByte('0' + b>>bit&1)
				}
			}
		}
		if got.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, &got, tt.want)
		}
	}
}
