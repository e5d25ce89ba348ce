package main

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// The page is written, and the same metrics asked for by their names are gathered: both have
// the same lines, of the agent's own metrics too, but for numbers that go on.
func TestPageIsTheSameInBothWays(t *testing.T) {
	n := newNode(t, "node-1", simnode.V2)
	program := startProgram(t, "run", "--config",
		n.config("poll_interval = \"50ms\"\n[plugins.estimate]\nmodel = \"unknown\"\n[plugins.csv]\npath = \"/dev/null\"\n[plugins.prometheus]\n"))
	address := "http://" + program.listening()
	diff := "the page lacks pods, or the agent"
	defer func() {
		if t.Failed() {
			t.Log(diff)
		}
	}()
	eventually(t, "the same page twice", func() bool { // series may appear in between
		_, written := get(t, address+"/metrics")
		names := url.Values{}
		for line := range strings.Lines(written) {
			if words := strings.Fields(line); words[0] == "#" && words[1] == "TYPE" {
				names.Add("name[]", words[2])
			}
		}
		if !strings.Contains(written, `name="web"`) || !strings.Contains(written, "podjoule_agent_tick_duration_seconds_count") {
			return false
		}
		_, gathered := get(t, address+"/metrics?"+names.Encode())
		diff = "lines (-gathered +written):\n" + cmp.Diff(withoutNumbers(gathered), withoutNumbers(written))
		return slices.Equal(withoutNumbers(gathered), withoutNumbers(written))
	})
	program.interrupt()
}

// withoutNumbers returns the lines of a page without the numbers at their ends.
func withoutNumbers(page string) (lines []string) {
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "#") {
			line = line[:strings.LastIndexByte(line, ' ')]
		}
		lines = append(lines, line)
	}
	return lines
}
