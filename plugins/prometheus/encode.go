package prometheus

import (
	"strconv"
	"strings"
)

// format is one of the two texts that are written here, byte for byte as expfmt of
// prometheus/common writes them.
type format int

const (
	textFormat        format = iota // version 0.0.4
	openMetricsFormat               // versions 0.0.1 and 1.0.0
	formats
)

// head returns the comments above the lines of a family.
func head(as format, name, kind, help string) string {
	if as == openMetricsFormat && kind == "counter" {
		name = strings.TrimSuffix(name, "_total")
	}
	b := append([]byte("# HELP "+name+" "), appendEscaped(nil, help, as == openMetricsFormat)...)
	return string(b) + "\n# TYPE " + name + " " + kind + "\n"
}

// showLabels returns labels as both formats show them. The names need no quotes:
// see family.CheckLabels.
func showLabels(labels, values []string) string {
	var b []byte
	separator := byte('{')
	for i, label := range labels {
		b = append(b, separator)
		b = append(b, label...)
		b = append(b, '=', '"')
		b = appendEscaped(b, values[i], true)
		b = append(b, '"')
		separator = ','
	}
	if separator == ',' {
		b = append(b, '}')
	}
	return string(b)
}

// appendEscaped appends a text as both formats show it; quotes are escaped if wanted.
func appendEscaped(b []byte, text string, quotes bool) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\\', quotes && c == '"':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}

// appendValue appends a number. In OpenMetrics it always looks like a float.
func appendValue(b []byte, v float64, as format) []byte {
	if v == 0 {
		v = 0 // a negative zero is shown as any other
	}
	digits := len(b)
	b = strconv.AppendFloat(b, v, 'g', -1, 64)
	if as == openMetricsFormat && isInteger(b[digits:]) {
		b = append(b, '.', '0')
	}
	return b
}

// isInteger tells numbers of digits alone from those with a point or an exponent, and from NaN and Inf.
func isInteger(number []byte) bool {
	for _, c := range number {
		if (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// write appends a point's lines.
func (p *point) write(to *pageText, as format) {
	l := p.line
	to.add(l.family.Name)
	to.add(l.text)
	to.add(" ")
	to.number(p.value, as)
	to.add("\n")
	if as == openMetricsFormat && l.family.Counter {
		to.add(l.family.created)
		to.add(l.text)
		to.add(" ")
		to.add(l.createdValue) // is the same as long as the line is there
		to.add("\n")
	}
}
