package main

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

// The truth is that of the last tick, also while the node goes on, and a meter that cannot
// count is an error of the source.
func TestSimulatedMeter(t *testing.T) {
	node := []simnode.Truth{{UID: "u", Energy: 1}}
	var fails error
	m := &simulatedMeter{count: func() ([]simnode.Truth, error) { return append([]simnode.Truth(nil), node...), fails }}
	if got := m.truth(); got != nil {
		t.Errorf("before the first tick the truth is %v", got)
	}
	if err := m.Poll(t.Context(), new(measure.Batch)); err != nil {
		t.Fatal(err)
	}
	node[0].Energy, fails = 2, errors.New("no space left")
	if diff := cmp.Diff([]simnode.Truth{{UID: "u", Energy: 1}}, m.truth()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := m.Poll(t.Context(), new(measure.Batch)); !errors.Is(err, fails) || m.truth()[0].Energy != 2 {
		t.Errorf("%v, %v", err, m.truth())
	}
	config := m.plugin().Config().(*simulatedMeterConfig)
	if opened, err := config.Open(t.Context(), nil); err != nil || opened != m || config.PollInterval() != demoInterval {
		t.Errorf("%v, %v, every %v", opened, err, config.PollInterval())
	}
}
