package agent

import "strings"

// maxNesting bounds tables, arrays and dotted keys. The parser's cost grows
// with the square of the depth, and its stack with the depth.
const maxNesting = 64

// tooDeepLine returns the line where the text nests too deeply, or 0.
func tooDeepLine(text string) int {
	depth, dots := 0, 0
	for i := 0; i < len(text); i = nextToken(text, i) {
		switch text[i] {
		case '[', '{':
			depth++
			dots = 0
		case ']', '}':
			depth = max(depth-1, 0)
			dots = 0
		case '\n', ',', '=':
			dots = 0
		case '.':
			dots++
		}
		if depth > maxNesting || dots > maxNesting {
			return 1 + strings.Count(text[:i], "\n")
		}
	}
	return 0
}

// nextToken returns where the text goes on after the string, the comment or
// the single byte at i. What is no valid TOML is passed byte by byte.
func nextToken(text string, i int) int {
	switch c := text[i]; c {
	case '#':
		if n := strings.IndexByte(text[i:], '\n'); n >= 0 {
			return i + n
		}
		return len(text)
	case '"', '\'':
		return endOfString(text, i)
	}
	return i + 1
}

// endOfString returns the index after the string that begins at i, or the end
// of the line where a one-line string is not closed.
func endOfString(text string, i int) int {
	quote, escapes := text[i], text[i] == '"'
	triple := strings.Repeat(string(quote), 3)
	multiline := strings.HasPrefix(text[i:], triple)
	if multiline {
		i += 2
	}
	for i++; i < len(text); i++ {
		switch {
		case text[i] == '\\' && escapes:
			i++
		case text[i] == '\n' && !multiline:
			return i
		case text[i] == quote && !multiline:
			return i + 1
		case multiline && strings.HasPrefix(text[i:], triple):
			for i += 3; i < len(text) && text[i] == quote; i++ { // quotes right before the end belong to the string
			}
			return i
		}
	}
	return len(text)
}
