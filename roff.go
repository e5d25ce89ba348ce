package main

import (
	"fmt"
	"strings"
)

// roff is the text of a man page, in the macros of man(7), which groff and mandoc know.
type roff struct{ b strings.Builder }

// escapeRoff has a text be shown as it is: roff reads backslashes, and lines that begin with a
// point or an apostrophe. A hyphen becomes one that can be copied and searched for.
func escapeRoff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// quoteRoff is a text as an argument of a macro.
func quoteRoff(text string) string {
	return `"` + strings.ReplaceAll(escapeRoff(text), `"`, `\(dq`) + `"`
}

// title begins a page; the date may be empty.
func (r *roff) title(name string, section int, date, source string) {
	fmt.Fprintf(&r.b, ".TH %s %d %s %s %s\n", quoteRoff(strings.ToUpper(name)), section, quoteRoff(date), quoteRoff(source), quoteRoff("podjoule"))
}

func (r *roff) section(name string) { fmt.Fprintf(&r.b, ".SH %s\n", quoteRoff(name)) }

// text writes paragraphs, which an empty line parts. Those whose lines are set in by two
// spaces are shown as they stand.
func (r *roff) text(text string) {
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			r.verbatim(strings.TrimPrefix(strings.ReplaceAll(paragraph, "\n  ", "\n"), "  "))
			continue
		}
		if i > 0 {
			r.b.WriteString(".PP\n")
		}
		r.b.WriteString(escapeRoff(paragraph) + "\n")
	}
}

// verbatim writes lines as they stand.
func (r *roff) verbatim(text string) {
	fmt.Fprintf(&r.b, ".PP\n.RS 4\n.nf\n%s\n.fi\n.RE\n", escapeRoff(strings.Trim(text, "\n")))
}

// item writes what a thing is; the term is roff already.
func (r *roff) item(term, text string) {
	fmt.Fprintf(&r.b, ".TP\n%s\n%s\n", term, escapeRoff(text))
}

// bold and italic are parts of a term.
func bold(text string) string { return `\fB` + escapeRoff(text) + `\fR` }

func italic(text string) string { return `\fI` + escapeRoff(text) + `\fR` }
