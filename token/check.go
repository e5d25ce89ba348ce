package token

import (
	"errors"
	"fmt"
	"strings"
)

// maxSize is more than any API server takes in a header, and keeps a path such
// as /dev/zero from filling the memory.
const maxSize = 64 << 10

// check trims white space and returns the token, if it can stand in an HTTP
// header: RFC 6750 leaves it visible ASCII characters. Errors tell the place
// of what is wrong, never the content.
func check(content []byte) (string, error) {
	if len(content) > maxSize {
		return "", fmt.Errorf("more than %d KiB, which is no token", maxSize>>10)
	}
	token := strings.TrimSpace(string(content))
	if token == "" {
		return "", errors.New("empty")
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return "", fmt.Errorf("byte %d is a space, a line break or another character that cannot stand in an HTTP header", i+1)
		}
	}
	return token, nil
}
