package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// hears is told what the agent says, all of it or the latest; it reports whether that is
// what was waited for.
type hears func(said string) bool

// provocation brings the agent into a trouble, and has what it says heard until it is
// what was waited for, or for long enough.
type provocation func(t *testing.T, heard hears)

// pattern finds a message of the document: "…" stands for whatever is there.
func pattern(message string) *regexp.Regexp {
	parts := strings.Split(strings.TrimSpace(message), "…")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(strings.Join(parts, "[^\n]*"))
}

// Every message that docs/troubleshooting.md quotes is what the agent says when it is brought
// into that trouble, word by word.
func TestTroubleshooting(t *testing.T) {
	known := provocations()
	place := make(map[string]int)
	for _, b := range blocksOf(t, troubleshooting, "text") {
		place[b.heading]++
		here := known[b.heading]
		if place[b.heading] > len(here) {
			t.Errorf("%s:%d: nothing provokes this: %s", b.file, b.line, b.text)
			continue
		}
		if len(strings.ReplaceAll(b.text, "…", "")) < 30 {
			t.Errorf("%s:%d: nothing is left of the message: %s", b.file, b.line, b.text)
		}
		provoke, want := here[place[b.heading]-1], pattern(b.text)
		t.Run(fmt.Sprintf("%s %d", b.heading, place[b.heading]), func(t *testing.T) {
			t.Parallel()
			last, found := "", false
			t.Cleanup(func() {
				if !found && !t.Skipped() {
					t.Errorf("%s:%d: want\n%s\nit says\n%s", b.file, b.line, b.text, last)
				}
			})
			provoke(t, func(said string) bool {
				last, found = said, found || want.MatchString(said)
				return found
			})
		})
	}
	for heading, all := range known {
		if place[heading] != len(all) {
			t.Errorf("%s has %d messages under %q, and %d are provoked", troubleshooting, place[heading], heading, len(all))
		}
	}
}

// The documents name metrics of the agent and of pods that there are.
func TestDocumentsMetrics(t *testing.T) {
	page := readDocument(t, "docs/self-metrics.md")
	var known []string
	for _, found := range regexp.MustCompile("`(podjoule_[a-z0-9_]+)`").FindAllStringSubmatch(page, -1) {
		known = append(known, found[1])
	}
	known = append(known, pageNames()...)
	for _, file := range documents(t) {
		for _, name := range regexp.MustCompile(`\bpodjoule_[a-z0-9_]+`).FindAllString(readDocument(t, file), -1) {
			if strings.HasSuffix(name, "_") || slices.Contains(known, name) || slices.Contains(sometimes(), name) {
				continue // the beginning of several, or there
			}
			t.Errorf("%s: there is no metric %s", file, name)
		}
	}
}

// sometimes are metrics that an agent in docs/self-metrics.md has no reason to tell.
func sometimes() []string {
	return []string{"podjoule_hwmon_sensors"} // there are none on a machine without hwmon
}
