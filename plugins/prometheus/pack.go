package prometheus

import (
	"encoding/binary"
	"hash/crc32"
)

// plan is how a page is compressed whose lines are known, whatever their numbers are. Most of
// what compression costs is the search for repetitions, and nearly all of those are in names
// and labels: they are looked for once, and told of each page with the same lines, at
// distances that numbers of other lengths change. A plan is never changed.
//
// Numbers are told digit by digit. The codes are those that every reader of deflate knows, so
// that nothing is to be counted before the first can be written.
type plan struct {
	// fixed is what is between the numbers, part by part, and ends is where the parts end.
	fixed []byte
	ends  []int
	steps []step
}

// step is some bytes as they are, and then a repetition. One whose length is 0 is the last
// of a part instead, and a number follows.
type step struct {
	plain  uint32
	length uint32
	// back is how far back the same bytes are, without the numbers in between, and part
	// is where.
	back, part uint32
}

// moved is by how much the numbers before a part move it.
func (p *plan) moved(t *pageText, part int) int {
	if part == 0 {
		return 0
	}
	return t.numbers[part-1].to - p.ends[part-1]
}

// pack appends a page as a file of gzip. It is the one of the plan, but for its numbers.
func (p *plan) pack(out []byte, t *pageText, c *codes) []byte {
	out = append(out, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"...) // RFC 1952: deflate, no name, no time, any system
	w := bitWriter{codes: c, out: out}
	w.begin()
	at, part := 0, 0
	for i := range p.steps {
		s := &p.steps[i]
		w.text(t.bytes[at : at+int(s.plain)])
		at += int(s.plain)
		if s.length > 0 {
			to := at + int(s.length)
			if distance := int(s.back) + p.moved(t, part) - p.moved(t, int(s.part)); distance <= window {
				w.repeat(int(s.length), distance)
			} else {
				w.text(t.bytes[at:to])
			}
			at = to
			continue
		}
		if part < len(t.numbers) {
			to := t.numbers[part].to
			w.text(t.bytes[at:to])
			at = to
		}
		part++
	}
	out = w.end()
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(t.bytes))
	return binary.LittleEndian.AppendUint32(out, uint32(len(t.bytes)))
}
