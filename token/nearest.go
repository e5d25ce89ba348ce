package token

import (
	"fmt"
	"strings"
	"unicode"
)

// naming ends a sentence about an unknown name: the name, unless it may be a
// token that was pasted into the wrong place, and the known name that is
// nearest to it, if one is near.
func naming(name string, known ...string) string {
	const longest = 20 // of what people misspell; the shortest tokens of Kubernetes have 23
	if len(name) > longest || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Sprintf(" of %d bytes", len(name))
	}
	text := fmt.Sprintf(" %q", name)
	best, near := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); d < near {
			best, near = k, d
		}
	}
	if best != "" {
		text += fmt.Sprintf(", did you mean %q?", best)
	}
	return text
}

// distance counts the bytes to insert, delete or replace to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
