package k8s

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// jsonTexts are the texts of an object that are wanted, by key.
type jsonTexts struct {
	wanted func(key []byte) bool
	picked map[string]string
}

// UnmarshalJSONFrom passes over what is not wanted, and what is no text.
func (t *jsonTexts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	var name []byte
	for d.PeekKind() == '"' {
		quoted, err := d.ReadValue()
		if err != nil {
			return err
		}
		name, _ = jsontext.AppendUnquote(name[:0], quoted) // it was read, so it is a text
		if !t.wanted(name) || d.PeekKind() != '"' {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		text, err := d.ReadToken()
		if err != nil {
			return err
		}
		if t.picked == nil {
			t.picked = make(map[string]string)
		}
		t.picked[string(name)] = text.String()
	}
	_, err := d.ReadToken() // the end of the object, or what is wrong with it
	return err
}

// optional is a value that is read if it is wanted.
type optional[T any] struct {
	wanted bool
	value  T
}

// UnmarshalJSONFrom passes over what is not wanted.
func (o *optional[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if !o.wanted {
		return d.SkipValue()
	}
	return json.UnmarshalDecode(d, &o.value)
}
