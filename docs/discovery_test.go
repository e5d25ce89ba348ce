// Package docs_test keeps the figures in the documents: it measures them, and fails
// when a document says something else.
package docs_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

var update = flag.Bool("update", false, "write the measured sections of the documents anew")

var measured = flag.Bool("measure", false, "measure this machine, too")

const (
	nodes = 5000
	// lifetime is how long a pod lives where pods come and go, for the figures of a
	// cluster that is at work.
	lifetime = 24 * time.Hour
)

// row is one line of the tables.
type row struct {
	name string
	mode
}

// TestDiscoveryCosts measures what every mode of discovery costs the API server, and
// holds docs/performance.md against it.
func TestDiscoveryCosts(t *testing.T) {
	// Without inotify the agent waits for nothing but time, which a bubble can have.
	if !cgrouptest.Limited(t, "max_inotify_instances", "0") {
		return
	}
	modes := []row{
		{"`watch`", measureMode(t, "watch", true)},
		{"`watch`, where lists are not streamed", measureMode(t, "watch", false)},
		{"`poll`", measureMode(t, "poll", true)},
		{"`kubelet`", measureMode(t, "kubelet", true)},
	}
	others := []row{
		{"a list every 15 s, JSON", measureLists(t, 15*time.Second, true)},
		{"a list every 15 s, protobuf and gzip", measureLists(t, 15*time.Second, false)},
		{"a list every 5 s, JSON", measureLists(t, 5*time.Second, true)},
		{"a list every 5 s, protobuf and gzip", measureLists(t, 5*time.Second, false)},
	}
	checkSection(t, "discovery", "make performance", discoverySection(t, modes, others))
}

func discoverySection(t *testing.T, modes, others []row) string {
	t.Helper()
	var pods []*corev1.Pod
	for maker := newMaker(t); len(pods) < nodePods; {
		pods = append(pods, maker.next())
	}
	inJSON, inProtobuf, owned := sizes(t, pods)
	birth, death := newMaker(t).life(pods[0])

	var b strings.Builder
	line := func(format string, values ...any) { fmt.Fprintf(&b, format+"\n", values...) }
	line("")
	line("- A node has %d pods, each with two containers after an init container. A pod is %s of JSON, of which %s tell who owns which field,",
		nodePods, bytesText(float64(inJSON)), bytesText(float64(owned)))
	line("  or %s of protobuf. A pod that is replaced is %d events: %d of the new one and %d of the old one, its deletion among them.",
		bytesText(float64(inProtobuf)), len(birth)+len(death)+1, len(birth), len(death)+1)
	line("- A token has %s characters, and a watch lasts %.1f minutes, the mean of the times of which clients choose at random.",
		grouped(tokenBytes), watchTime.Minutes())
	line("")
	line("One node:")
	line("")
	line("| `pod_discovery` | start | an hour without changes | one pod replaced | connection cut | API server away for %.0f s | open connections |", absence.Seconds())
	line("| --- | --- | --- | --- | --- | --- | --- |")
	for _, r := range append(modes, others...) {
		line("| %s | %s | %s | %s | %s | %s | %d |", r.name,
			costText(r.start), costText(r.quiet), r.beyond(r.replaced), r.beyond(r.cut), r.beyond(r.absent), r.open)
	}
	line("")
	line("%s nodes with %s pods:", grouped(nodes), grouped(nodes*nodePods))
	line("")
	line("| `pod_discovery` | nothing changes | each pod is replaced once in %.0f h | open connections | all agents start at once | API server away for %.0f s |", lifetime.Hours(), absence.Seconds())
	line("| --- | --- | --- | --- | --- | --- |")
	for _, r := range append(modes, others...) {
		line("| %s | %s | %s | %s | %s | %s |", r.name, r.rate(0), r.rate(nodes*nodePods/lifetime.Seconds()), grouped(nodes*r.open),
			costText(r.start.times(nodes)), r.beyond(r.absent.times(nodes)))
	}
	for _, r := range modes {
		if k := r.kubelet; k.start.requests > 0 {
			line("")
			line("What %s costs each node's kubelet instead:", r.name)
			line("")
			line("| start | an hour without changes | one pod replaced | open connections |")
			line("| --- | --- | --- | --- |")
			line("| %s | %s | %s | %d |", costText(k.start), costText(k.quiet), costText(k.replaced), k.open)
		}
	}
	line("")
	return b.String()
}

// rate is what all nodes cost the API server in a second, with that many pods replaced
// in a second.
func (m mode) rate(replaced float64) string {
	each := nodes / time.Hour.Seconds()
	requests := each*float64(m.quiet.requests) + replaced*float64(m.replaced.requests)
	bytes := each*float64(m.quiet.bytes()) + replaced*float64(m.replaced.bytes())
	if requests == 0 && bytes == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%s requests/s, %s/s", threeDigits(requests), bytesText(bytes))
}

// beyond writes what an event costs beyond the steady state. Who lists at an interval
// does not ask because something happened.
func (r row) beyond(c cost) string {
	if r.kubelet == nil {
		return "no more"
	}
	return costText(c)
}

func costText(c cost) string {
	if c == (cost{}) {
		return "nothing"
	}
	plural := "s"
	if c.requests == 1 {
		plural = ""
	}
	return fmt.Sprintf("%s request%s, %s", grouped(c.requests), plural, bytesText(float64(c.bytes())))
}
