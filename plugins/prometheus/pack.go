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
func moved(numbers *pageText, part int) int {
	if part == 0 {
		return 0
	}
	return numbers.numbers[part-1].to
}

// pack appends a page as a file of gzip: that of the plan, with these numbers, which are
// all of a text.
func (p *plan) pack(out []byte, numbers *pageText, c *codes, sum *checksum) []byte {
	out = append(out, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"...) // RFC 1952: deflate, no name, no time, any system
	w := bitWriter{codes: c, out: out}
	w.begin()
	at, part, from := 0, 0, 0
	for i := range p.steps {
		s := &p.steps[i]
		w.text(p.fixed[at : at+int(s.plain)])
		at += int(s.plain)
		if s.length > 0 {
			to := at + int(s.length)
			if distance := int(s.back) + moved(numbers, part) - moved(numbers, int(s.part)); distance <= window {
				w.repeat(int(s.length), distance)
			} else {
				w.text(p.fixed[at:to])
			}
			at = to
			continue
		}
		sum.add(p.fixed[from:at])
		from = at
		if part < len(numbers.numbers) {
			n := numbers.of(part)
			w.text(n)
			sum.add(n)
		}
		part++
	}
	out = binary.LittleEndian.AppendUint32(w.end(), sum.end())
	return binary.LittleEndian.AppendUint32(out, uint32(len(p.fixed)+len(numbers.bytes)))
}

// checksum is that of gzip. Many bytes are added up at once, since each time has its price,
// but not so many that they would be fetched from memory again.
type checksum struct {
	waiting []byte
	sum     uint32
}

const atOnce = 8 << 10

func (c *checksum) add(bytes []byte) {
	c.waiting = append(c.waiting, bytes...)
	if len(c.waiting) >= atOnce {
		c.count()
	}
}

func (c *checksum) count() {
	c.sum = crc32.Update(c.sum, crc32.IEEETable, c.waiting)
	c.waiting = c.waiting[:0]
}

// end returns the sum, and begins anew.
func (c *checksum) end() uint32 {
	c.count()
	sum := c.sum
	c.sum = 0
	return sum
}

// whole appends the page as it is.
func (p *plan) whole(out []byte, numbers *pageText) []byte {
	from := 0
	for part, to := range p.ends {
		out = append(out, p.fixed[from:to]...)
		if part < len(numbers.numbers) {
			out = append(out, numbers.of(part)...)
		}
		from = to
	}
	return out
}
