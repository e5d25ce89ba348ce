package k8s

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonReader reads objects in JSON as a stream. The first error stays.
type jsonReader struct {
	tokens *jsontext.Decoder
	err    error
	member []byte // its name
}

func newJSONReader(r io.Reader) jsonReader {
	return jsonReader{tokens: jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
}

// members yields the names of an object's members, of which each is valid until the
// next one is read. The loop reads the value that follows, or leaves it to be passed
// over. Null has no members.
func (r *jsonReader) members() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !r.begins('{') {
			return
		}
		for r.err == nil && r.tokens.PeekKind() != '}' {
			quoted, err := r.tokens.ReadValue()
			if err != nil {
				r.err = err
				return
			}
			r.member, _ = jsontext.AppendUnquote(r.member[:0], quoted) // it was read, so it is a text
			if !yield(r.member) {
				return
			}
			r.passOver()
		}
		r.token('}')
	}
}

// elements yields once for each element of a list, which the loop has to read. Null
// has no elements.
func (r *jsonReader) elements() func(yield func() bool) {
	return func(yield func() bool) {
		if !r.begins('[') {
			return
		}
		for r.err == nil && r.tokens.PeekKind() != ']' {
			if !yield() {
				return
			}
		}
		r.token(']')
	}
}

// passOver reads the value of a member if nobody did: as a whole, which is several times
// as fast as token by token. Beside the pods of a list that would hold what is longer
// than any pod.
func (r *jsonReader) passOver() {
	depth := r.tokens.StackDepth()
	if _, read := r.tokens.StackIndex(depth); r.err != nil || read%2 == 0 {
		return
	}
	if depth == 1 {
		r.err = r.tokens.SkipValue()
		return
	}
	_, r.err = r.tokens.ReadValue()
}

// string returns a text, or "" for null.
func (r *jsonReader) string() string {
	if t := r.token('"'); t.Kind() == '"' {
		return t.String()
	}
	return ""
}

// isTrue returns a truth value; null is false.
func (r *jsonReader) isTrue() bool {
	if r.tokens.PeekKind() == 'f' {
		r.token('f')
		return false
	}
	return r.token('t').Kind() == 't'
}

func (r *jsonReader) begins(want jsontext.Kind) bool { return r.token(want).Kind() == want }

// token reads a token of a kind, or null. Any other is an error.
func (r *jsonReader) token(want jsontext.Kind) jsontext.Token {
	if r.err != nil {
		return jsontext.Token{}
	}
	t, err := r.tokens.ReadToken()
	switch {
	case err != nil:
		r.err = err
	case t.Kind() != want && t.Kind() != 'n':
		r.err = fmt.Errorf("%q is %s, want %s", r.tokens.StackPointer(), kindName(t.Kind()), kindName(want))
	}
	return t
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a " + kind.String() // a string or a number
}

// close returns the first error, which something after the end is.
func (r *jsonReader) close() error {
	if r.err == nil {
		switch _, err := r.tokens.ReadToken(); {
		case err == nil:
			return errors.New("something follows its end")
		case !errors.Is(err, io.EOF):
			return err
		}
	}
	if errors.Is(r.err, io.EOF) { // the answer is empty
		return io.ErrUnexpectedEOF
	}
	return r.err
}
