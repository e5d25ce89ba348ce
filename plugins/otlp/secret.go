package otlp

import (
	"fmt"
	"io"
)

// Secret is a text of the configuration that shows itself nowhere: what prints,
// logs or encodes it gets "<secret>", or "" where it is empty.
type Secret string

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}

// Format implements fmt.Formatter, since not all verbs go through String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
