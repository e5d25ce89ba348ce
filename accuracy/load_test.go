package accuracy_test

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// load is what a thread does over time.
type load struct {
	text string // for people
	// at is for how long it is busy in the step that begins at a time, in µs.
	at func(now time.Duration) uint64
}

// share is a part of a step in µs.
func share(percent float64) uint64 { return uint64(percent * float64(stepUS) / 100) }

// steady is busy for the same part of every step.
func steady(percent float64) load {
	n := share(percent)
	text := fmt.Sprintf("at %v %%", percent)
	if percent == 100 {
		text = "without a pause"
	}
	return load{text, func(time.Duration) uint64 { return n }}
}

// during is a load from one time to another.
func during(from, to time.Duration, l load) load {
	return load{l.text, func(now time.Duration) uint64 {
		if now < from || now >= to {
			return 0
		}
		return l.at(now)
	}}
}

// The bounds of bursts and of the pauses between them.
const (
	shortestBurst, longestBurst = 50 * time.Millisecond, 3 * time.Second
	weakestBurst                = 20 // percent
)

// bursts is busy now and then, and more or less so, at random from a seed.
func bursts(seed uint64) load {
	random := rand.New(rand.NewPCG(seed, 7))
	steps := make([]uint64, timeline/step)
	for i := 0; i < len(steps); {
		length := func() int {
			return int((shortestBurst + time.Duration(random.Int64N(int64(longestBurst-shortestBurst)))) / step)
		}
		i += length()
		n := share(float64(weakestBurst + random.IntN(101-weakestBurst)))
		for range length() {
			if i < len(steps) {
				steps[i] = n
			}
			i++
		}
	}
	return load{fmt.Sprintf("in bursts of %s to %s at %d to 100 %%, with pauses as long,", span(shortestBurst), span(longestBurst), weakestBurst),
		func(now time.Duration) uint64 { return steps[now/step] }}
}
