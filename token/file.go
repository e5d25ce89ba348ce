package token

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// readFile reads a token. It opens the file by name each time: the kubelet puts
// a new token in place by swapping a symbolic link above it.
func readFile(path string) (string, error) {
	// A pipe would block for ever in open, and hold nothing at the next read.
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("read token file %s: not a regular file", path)
	}
	var content []byte
	if err == nil {
		content, err = readStart(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && path == DefaultFile:
		return "", fmt.Errorf("read token file: %w; in a pod set automountServiceAccountToken, "+
			"elsewhere choose another token_retrieval", err)
	case err != nil:
		return "", fmt.Errorf("read token file: %w", err) // err names the path
	}
	token, err := check(content)
	if err != nil {
		return "", fmt.Errorf("read token file %s: %w", path, err)
	}
	return token, nil
}

// readStart reads as much of a file as a token may have, and one byte more.
func readStart(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}
