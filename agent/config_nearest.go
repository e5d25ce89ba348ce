package agent

import (
	"fmt"
	"slices"
	"strings"
)

// unknown says that a name is not known, and which one may be meant.
func unknown(name string, value any, known []string) error {
	what := "key"
	if _, ok := value.(map[string]any); ok {
		what = "table"
	}
	return fmt.Errorf("unknown %s%s", what, suggest(name, known))
}

// suggest returns the end of a message about an unknown name: the known name
// that looks most like it, or else all of them.
func suggest(name string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	best := slices.MinFunc(known, func(a, b string) int { return unlikeness(name, a) - unlikeness(name, b) })
	if unlikeness(name, best) <= len(name)/3+1 {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}

// unlikeness is the number of edits between two names, but at most 1 where one
// holds the other, as "interval" and "poll_interval" do, or where only the
// case differs.
func unlikeness(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	d := editDistance(a, b)
	if d > 1 && min(len(a), len(b)) > 3 && (strings.Contains(a, b) || strings.Contains(b, a)) {
		return 1
	}
	return d
}

// editDistance counts the letters to insert, delete, replace or swap with
// their neighbour that make one name of the other.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64 // no name of ours is that long
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
