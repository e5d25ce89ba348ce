package plugin

import (
	"fmt"
	"strings"
	"time"
)

// KeyError is an error about one key of a plugin's table. The host adds file
// and line.
type KeyError struct {
	// Key is the key below the plugin's table, dotted where it is nested.
	Key string
	Err error
}

// Error returns "key: what is wrong".
func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// Keyf makes a KeyError.
func Keyf(key, format string, args ...any) error {
	return &KeyError{Key: key, Err: fmt.Errorf(format, args...)}
}

// Duration is a time span in the configuration, written as a string such as
// "5s" or "500ms". A bare number has no unit and is refused.
type Duration time.Duration

// UnmarshalTOML takes a string that time.ParseDuration understands.
func (d *Duration) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("want a duration in quotes such as \"5s\", have %v", v)
	}
	p, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("want a duration such as \"5s\" or \"500ms\", have %q", s)
	}
	*d = Duration(p)
	return nil
}

// MarshalText writes the duration as UnmarshalTOML reads it: "5m", not "5m0s".
func (d Duration) MarshalText() ([]byte, error) {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return []byte(s), nil
}

// MinInterval is the shortest poll interval.
const MinInterval = time.Millisecond

// CheckInterval checks a key that says how often something is done.
func CheckInterval(key string, d Duration) error {
	if time.Duration(d) < MinInterval {
		return Keyf(key, "want at least %v, have %v", MinInterval, time.Duration(d))
	}
	return nil
}

// Renames maps attribute keys to the names that an output shows instead of
// them. A key without an entry keeps its name.
type Renames map[string]string

// Name returns the name under which an attribute is shown.
func (r Renames) Name(key string) string {
	if name, ok := r[key]; ok {
		return name
	}
	return key
}

// Check reports renames that would show two of the given attribute keys under
// one name, or under an empty one.
func (r Renames) Check(keys []string) error {
	seen := make(map[string]string, len(keys))
	for _, key := range keys {
		name := r.Name(key)
		if name == "" {
			return Keyf("rename_attributes", "%q is renamed to an empty name", key)
		}
		if other, taken := seen[name]; taken {
			return Keyf("rename_attributes", "%q and %q would both be called %q: give one of them another name", other, key, name)
		}
		seen[name] = key
	}
	return nil
}
