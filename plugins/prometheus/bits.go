package prometheus

import (
	"encoding/binary"
	"math/bits"
)

// codes are those of deflate's fixed block (RFC 1951, section 3.2.6), as bits come on the
// wire: those of a code from its first, those of a number from its lowest.
type codes struct {
	literals [256]code
	lengths  [longest + 1]code // with their extra bits
	// distances lack their extra bits.
	distances [30]code
}

// Repetitions are of so many bytes at most, and so far back.
const (
	longest = 258
	window  = 1 << 15
)

type code struct{ bits, size uint32 }

// reversed is a code whose first bit is the highest, as the specification has it.
func reversed(n, size uint32) code { return code{bits.Reverse32(n) >> (32 - size), size} }

func newCodes() *codes {
	c := new(codes)
	for i := range uint32(len(c.literals)) {
		c.literals[i] = reversed(0x30+i, 8)
		if i >= 144 {
			c.literals[i] = reversed(0x190+i-144, 9)
		}
	}
	length := 3
	for i := range uint32(28) {
		symbol, extra := reversed(i+1, 7), uint32(0)
		if i >= 23 {
			symbol = reversed(0xc0+i-23, 8)
		}
		if i >= 8 {
			extra = i/4 - 1
		}
		for n := range uint32(1) << extra {
			c.lengths[length] = code{symbol.bits | n<<symbol.size, symbol.size + extra}
			length++
		}
	}
	c.lengths[longest] = reversed(0xc5, 8) // has a code of its own
	for i := range uint32(len(c.distances)) {
		c.distances[i] = reversed(i, 5)
	}
	return c
}

// bitWriter appends codes to bytes. Fewer than 32 bits are waiting between two calls.
type bitWriter struct {
	*codes
	out     []byte
	waiting uint64
	n       uint32
}

func (w *bitWriter) put(bits uint64, n uint32) {
	w.waiting |= bits << (w.n & 63)
	if w.n += n; w.n >= 32 {
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.waiting))
		w.waiting >>= 32
		w.n -= 32
	}
}

// text writes bytes as they are.
func (w *bitWriter) text(text []byte) {
	out, waiting, n := w.out, w.waiting, w.n
	for _, b := range text {
		c := &w.literals[b]
		waiting |= uint64(c.bits) << (n & 63)
		if n += c.size; n >= 32 {
			out = binary.LittleEndian.AppendUint32(out, uint32(waiting))
			waiting >>= 32
			n -= 32
		}
	}
	w.out, w.waiting, w.n = out, waiting, n
}

// repeat writes that bytes are those so far back.
func (w *bitWriter) repeat(length, distance int) {
	l := &w.lengths[length]
	d, extra := uint32(distance-1), uint32(0)
	symbol := d
	if d >= 4 {
		extra = uint32(bits.Len32(d)) - 2
		symbol = 2*extra + d>>extra
	}
	c := &w.distances[symbol]
	all := uint64(l.bits) | uint64(c.bits)<<l.size | uint64(d&(1<<extra-1))<<(l.size+c.size)
	w.put(all, l.size+c.size+extra) // 31 at most
}

// begin begins the only block, and end ends it and returns all bytes.
func (w *bitWriter) begin() { w.put(0b011, 3) }

func (w *bitWriter) end() []byte {
	w.put(0, 7)
	for ; w.n > 0; w.n -= min(w.n, 8) {
		w.out = append(w.out, byte(w.waiting))
		w.waiting >>= 8
	}
	return w.out
}
