package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The documents that have tests of their own.
const (
	troubleshooting = "docs/troubleshooting.md"
	migrate         = "docs/migrate.md"
)

// block is what stands between two fences of a document.
type block struct {
	file     string
	line     int    // of its opening fence
	heading  string // above it
	language string // what the fence says; "" is what a program prints
	text     string
}

// name tells a block from the others of all documents: by its file and its first line.
func (b *block) name() string {
	first, _, _ := strings.Cut(b.text, "\n")
	return b.file + ": " + first
}

// blocksIn returns the blocks of a document, and what is wrong with the way in which they
// stand there: what is no block would be seen by no test.
func blocksIn(file, text string) (blocks []block, faults []string) {
	var heading string
	var open *block
	number := 0
	for line := range strings.Lines(text) {
		number++
		fence, language := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case open != nil && language && fence == "":
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += line
		case language:
			open = &block{file: file, line: number, heading: heading, language: fence}
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		case strings.HasPrefix(strings.TrimSpace(line), "```"), strings.HasPrefix(line, "    "), strings.HasPrefix(line, "\t"):
			faults = append(faults, fmt.Sprintf("%s:%d: write what is typed or shown between fences at the beginning of lines", file, number))
		}
	}
	if open != nil {
		faults = append(faults, fmt.Sprintf("%s:%d: the fence is not closed", file, open.line))
	}
	return blocks, faults
}

// documents are the files that people read first.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no documents: %v", err)
	}
	return append([]string{"README.md"}, files...)
}

// readDocument returns the text of a document.
func readDocument(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocksOf returns the blocks of one language in a document.
func blocksOf(t *testing.T, file, language string) []block {
	t.Helper()
	all, _ := blocksIn(file, readDocument(t, file))
	return slices.DeleteFunc(all, func(b block) bool { return b.language != language })
}

// withoutBlocks leaves out what stands between fences.
func withoutBlocks(text string) string {
	return regexp.MustCompile("(?ms)^```.*?^```\n").ReplaceAllString(text, "")
}
