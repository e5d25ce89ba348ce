package agent

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// commaExpected is how the library's message begins when the keys of an inline
// table have no comma between them.
const commaExpected = "expected a comma or an inline table terminator"

// missingComma explains that mistake with the user's own text, put right. It
// returns nil when the error is another one.
func missingComma(text string, at toml.ParseError) *ConfigError {
	if !strings.HasPrefix(at.Message, commaExpected) {
		return nil
	}
	mended, err := text, at
	// Every missing comma is one error. Stop where the text is wrong in other
	// ways too, or is all commas.
	for range 100 {
		mended = mended[:err.Position.Start] + "," + mended[err.Position.Start:]
		var tree map[string]any
		_, e := decodeTOML(mended, &tree)
		if !errors.As(e, &err) || !strings.HasPrefix(err.Message, commaExpected) {
			break
		}
	}
	statement, closed := statementAt(mended, at.Position.Start)
	if !closed {
		return nil // the brace is what is missing
	}
	key := at.LastKey
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		key = key[:i] // the key before the comma → its table
	}
	return &ConfigError{Line: at.Position.Line, Key: key, Err: fmt.Errorf("the keys of an inline table are separated by commas; write: %s", oneLine(statement))}
}

// longestStatement bounds the text that an error shows.
const longestStatement = 500

// statementAt returns the key = value that holds an offset inside its value,
// and whether all its brackets are closed.
func statementAt(text string, offset int) (statement string, closed bool) {
	start, depth := 0, 0
	for i := 0; i < len(text); i = nextToken(text, i) {
		switch text[i] {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
			if depth == 0 && i > offset {
				return text[start : i+1], true
			}
		case '\n':
			if depth == 0 {
				start = i + 1
			}
		}
	}
	return "", false
}

// oneLine writes a statement in one line: no comments, single spaces, and
// commas right after what they follow. What is long or may hold a secret is
// not shown.
func oneLine(statement string) string {
	if looksSecret(statement) || len(statement) > longestStatement {
		return "name = { key = value, key = value }"
	}
	var b strings.Builder
	for i := 0; i < len(statement); {
		next := nextToken(statement, i)
		token := statement[i:next]
		switch c := token[0]; {
		case c == '#':
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if text := b.String(); text != "" && !strings.HasSuffix(text, " ") {
				b.WriteByte(' ')
			}
		case c == ',':
			text := strings.TrimRight(b.String(), " ")
			b.Reset()
			b.WriteString(text + ", ")
		default:
			b.WriteString(token)
		}
		i = next
	}
	return strings.TrimSpace(b.String())
}

var secret = regexp.MustCompile(`(?i)passw|secret|bearer|credential|authori|api[-_]?key|cookie|header|` +
	`basic_auth|oauth2|endpoint|proxy|_url|\bkey\b|key_pem|private key|://[^/\s]*@`)

// looksSecret reports whether a text may hold a secret, judged by the names in
// it. Errors do not quote such a text.
func looksSecret(text string) bool { return secret.MatchString(text) }
