package simnode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Limits of a load, beyond which it is taken for a mistake.
const (
	maxPhases = 1000
	maxPhase  = 24 * time.Hour
	maxHold   = 1 << 40 // bytes
)

// Load is what a container is told to use over time. The zero Load is idle.
type Load struct {
	// Phases follow each other. After the last one the container is idle, or,
	// with Repeat, begins again.
	Phases []Phase `json:"phases,omitempty"`
	Repeat bool    `json:"repeat,omitempty"`
	// Memory is how many bytes of anonymous memory are held from the start on.
	Memory uint64 `json:"memory,omitempty"`
}

// Phase is a time of even demand.
type Phase struct {
	// For is how long it lasts, at most a day.
	For time.Duration `json:"for"`
	// Cores is the demand for CPU time, from 0 to 1.
	Cores float64 `json:"cores"`
	// System is the share of it that is spent in the kernel, from 0 to 1.
	System float64 `json:"system,omitempty"`
}

// Steady is an even load without an end.
func Steady(cores, system float64) Load {
	return Load{Phases: []Phase{{For: time.Hour, Cores: cores, System: system}}, Repeat: true}
}

// Validate reports a load that no process can follow.
func (l Load) Validate() error {
	if len(l.Phases) > maxPhases {
		return fmt.Errorf("load: want at most %d phases, have %d", maxPhases, len(l.Phases))
	}
	if l.Memory > maxHold {
		return fmt.Errorf("load: want at most %d bytes of memory, have %d", uint64(maxHold), l.Memory)
	}
	if l.Repeat && len(l.Phases) == 0 {
		return errors.New("load: there are no phases to repeat")
	}
	for i, p := range l.Phases {
		switch {
		case p.For <= 0 || p.For > maxPhase:
			return fmt.Errorf("load: phase %d: want a time above 0 and up to %v, have %v", i, maxPhase, p.For)
		case !(p.Cores >= 0 && p.Cores <= 1):
			return fmt.Errorf("load: phase %d: want 0 to 1 core, have %v", i, p.Cores)
		case !(p.System >= 0 && p.System <= 1):
			return fmt.Errorf("load: phase %d: want a system share from 0 to 1, have %v", i, p.System)
		}
	}
	return nil
}

// At returns the CPU time that a valid load has asked for in its first t. Both
// parts never go down as t goes up.
func (l Load) At(t time.Duration) (user, system time.Duration) {
	if l.Repeat {
		var round, roundUser, roundSystem time.Duration
		for _, p := range l.Phases {
			u, s := p.spent(p.For)
			round, roundUser, roundSystem = round+p.For, roundUser+u, roundSystem+s
		}
		if round > 0 {
			rounds := t / round
			user, system = rounds*roundUser, rounds*roundSystem
			t %= round
		}
	}
	for _, p := range l.Phases {
		if t <= 0 {
			break
		}
		u, s := p.spent(min(t, p.For))
		user, system = user+u, system+s
		t -= p.For
	}
	return user, system
}

func (p Phase) spent(t time.Duration) (user, system time.Duration) {
	total := time.Duration(p.Cores * float64(t))
	system = time.Duration(p.System * float64(total))
	return total - system, system
}

// idle returns until when nothing more is asked for, as of t; ok is false when
// that is for ever.
func (l Load) idle(t time.Duration) (until time.Duration, ok bool) {
	var round time.Duration
	for _, p := range l.Phases {
		round += p.For
	}
	begin := time.Duration(0)
	if l.Repeat && round > 0 {
		begin = t / round * round
	}
	// The phase that follows may be in the next round.
	for range 2 {
		for _, p := range l.Phases {
			if p.Cores > 0 && begin+p.For > t {
				return max(begin, t), true
			}
			begin += p.For
		}
		if !l.Repeat {
			break
		}
	}
	return 0, false
}

// parseLoad reads a load as a burner gets it.
func parseLoad(line []byte) (Load, error) {
	var l Load
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Load{}, fmt.Errorf("read the load: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Load{}, errors.New("read the load: something follows it on its line")
	}
	return l, l.Validate()
}
