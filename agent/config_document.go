package agent

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// maxConfigSize is far above any real configuration. It keeps a wrong file
// name, say that of a log, from costing memory and minutes.
const maxConfigSize = 1 << 20

// document is a parsed configuration that knows the lines of its keys.
type document struct {
	file   string
	tree   map[string]any // the loader's to change
	meta   toml.MetaData
	lazy   map[string]toml.Primitive // the same text once more, for the lines
	places map[string]int            // key → its rank in the file
}

// parseDocument reads the text. The error is a *ConfigError.
func parseDocument(file string, text []byte) (*document, error) {
	if len(text) > maxConfigSize {
		return nil, &ConfigError{File: file, Err: fmt.Errorf("the file has %d bytes; a configuration has at most %d: is it the right file?", len(text), maxConfigSize)}
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // a byte order mark
	if line := firstInvalidLine(text); line > 0 {
		return nil, &ConfigError{File: file, Line: line, Err: errors.New("the text is not UTF-8: save the file as UTF-8")}
	}
	if line := tooDeepLine(string(text)); line > 0 {
		return nil, &ConfigError{File: file, Line: line, Err: fmt.Errorf("keys or values are nested more than %d deep", maxNesting)}
	}
	d := &document{file: file, places: map[string]int{}}
	if _, err := decodeTOML(string(text), &d.tree); err != nil {
		return nil, syntaxError(file, string(text), err)
	}
	var err error
	if d.meta, err = decodeTOML(string(text), &d.lazy); err != nil {
		return nil, syntaxError(file, string(text), err)
	}
	for i, key := range d.meta.Keys() {
		for n := len(key); n > 0; n-- { // the tables that hold a key may have no line of their own
			if name := key[:n].String(); d.places[name] == 0 {
				d.places[name] = i + 1
			}
		}
	}
	return d, nil
}

func firstInvalidLine(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return 1 + bytes.Count(text[:i], []byte("\n"))
		}
		i += size
	}
	return 0
}

// decodeTOML is toml.Decode, but a panic is an error: the text comes from
// outside, and so may what a plugin's type does with it.
func decodeTOML(text string, into any) (meta toml.MetaData, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decode the text: %v", r)
		}
	}()
	return toml.Decode(text, into)
}

// syntaxError adds the file to what the parser found.
func syntaxError(file, text string, err error) error {
	var at toml.ParseError
	if !errors.As(err, &at) {
		return &ConfigError{File: file, Err: err}
	}
	if missing := missingComma(text, at); missing != nil {
		missing.File = file
		return missing
	}
	e := &ConfigError{File: file, Line: at.Position.Line, Key: at.LastKey, Err: errors.New(at.Message)}
	if key, ok := strings.CutSuffix(at.Message, "' has already been defined."); ok {
		e.Key, e.Err = strings.TrimPrefix(key, "Key '"), errors.New("it is already defined above")
	}
	if looksSecret(at.LastKey) {
		// The parser quotes the text that it could not read.
		e.Err = errors.New("the value is not valid TOML: put text into quotes")
	}
	return e
}

// place ranks a key by where it, or else the nearest table around it, stands
// in the file.
func (d *document) place(key toml.Key) int {
	for n := len(key); n > 0; n-- {
		if place := d.places[key[:n].String()]; place > 0 {
			return place
		}
	}
	return math.MaxInt
}

// line returns the line of a key, or of the nearest table around it, or 0.
func (d *document) line(key toml.Key) int {
	place := d.place(key)
	if place == math.MaxInt {
		return 0
	}
	// The file's own key at that place: a table that is only implied by its
	// keys has the line of the first of them.
	return d.position(d.meta.Keys()[place-1])
}

// position returns the line of a key that the file spells out. The library
// tells it in errors only, so an error is what it is made to give.
func (d *document) position(key toml.Key) int {
	tables, line := d.lazy, 0
	for _, name := range key {
		primitive, ok := tables[name]
		if !ok {
			break
		}
		var at toml.ParseError
		if errors.As(d.meta.PrimitiveDecode(primitive, new(refusal)), &at) && at.Position.Line > 0 {
			line = at.Position.Line
		}
		var inner map[string]toml.Primitive
		if d.meta.PrimitiveDecode(primitive, &inner) != nil {
			break
		}
		tables = inner
	}
	return line
}

// refusal is a type that nothing can be decoded into.
type refusal struct{}

// UnmarshalTOML refuses.
func (*refusal) UnmarshalTOML(any) error { return errors.New("refused") }

// typeName says in plain words what a TOML value is.
func typeName(value any) string {
	return plainType(strings.ReplaceAll(fmt.Sprintf("%T", value), "interface {}", "any"))
}
