package estimate

import (
	"bytes"
	"fmt"
	"strconv"
)

// cpu is what /proc/cpuinfo tells of a processor. Numbers that it does not tell are -1.
type cpu struct {
	vendor, name            string
	family, model, stepping int // of x86
	implementer, part       int // of ARM
}

// String says which processor it is.
func (c cpu) String() string {
	switch {
	case c.implementer >= 0:
		return fmt.Sprintf("implementer %#x, part %#x", c.implementer, c.part)
	case c.vendor == "" && c.name == "":
		return "no vendor and no name"
	}
	return fmt.Sprintf("%q of %q, family %d, model %d, stepping %d", c.name, c.vendor, c.family, c.model, c.stepping)
}

// parseCPUInfo reads the first processor's lines. The file differs from architecture to
// architecture; what is missing or garbled is not known.
func parseCPUInfo(text []byte) cpu {
	c := cpu{family: -1, model: -1, stepping: -1, implementer: -1, part: -1}
	for line := range bytes.Lines(text) {
		before, after, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			if len(bytes.TrimSpace(line)) == 0 && c.told() {
				break // the next processor's lines follow
			}
			continue
		}
		value := string(bytes.TrimSpace(after))
		switch string(bytes.TrimSpace(before)) {
		case "vendor_id":
			c.vendor = value
		case "model name":
			c.name = value
		case "cpu family":
			c.family = number(value)
		case "model":
			c.model = number(value)
		case "stepping":
			c.stepping = number(value)
		case "CPU implementer":
			c.implementer = number(value)
		case "CPU part":
			c.part = number(value)
		}
	}
	return c
}

// told tells whether anything is known.
func (c cpu) told() bool {
	return c.vendor != "" || c.name != "" || c.implementer >= 0
}

// number is decimal or begins with 0x.
func number(text string) int {
	n, err := strconv.ParseUint(text, 0, 31)
	if err != nil {
		return -1
	}
	return int(n)
}
