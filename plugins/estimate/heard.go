package estimate

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// heard is a meter with which a source before this one measures, in the same ticks: events
// of perf, or a chip of hwmon.
type heard struct {
	domain, source string
	at             time.Time // the end of the last window in which it was told
}

// hear takes note of such a meter.
func (h *heard) hear(b *measure.Batch) {
	for i := range b.Samples {
		s := b.Samples[i].Series
		if !s.Metric.IsEnergy() || !ofNode(s) {
			continue
		}
		if !b.End.Equal(h.at) {
			h.domain, _ = s.Attribute("domain")
			h.source, _ = s.Attribute("source")
			h.at = b.End
		}
		return
	}
}

// ofNode tells whether an energy is what a meter tells of all CPUs of a socket, or of more.
// That of a disk or of the memory alone takes the place of no estimate.
func ofNode(s *measure.Series) bool {
	if s.Consumer.Kind != measure.LocalMachine {
		return false
	}
	if quality, _ := s.Attribute("quality"); quality == "estimated" {
		return false
	}
	switch domain, _ := s.Attribute("domain"); domain {
	case "package", "platform", "machine", "module":
		return true
	}
	return false
}

// recent tells whether the meter was told of not long ago. A reading that fails now and
// then is none to begin estimating for.
func (h *heard) recent(now time.Time) bool { return !h.at.IsZero() && now.Sub(h.at) < again }

// metered says why nothing is estimated beside a meter, and what there is to do.
func (s *source) metered() error {
	if s.meter.found() {
		return fmt.Errorf("nothing is estimated: this node has an energy meter that can be read, in %s; [plugins.rapl] measures with it: %s",
			filepath.Join(s.meter.sysfs, "class", "powercap"), remedy)
	}
	return fmt.Errorf("nothing is estimated: a meter tells the energy of the domain %s (%s); %s", s.heard.domain, s.heard.source, remedy)
}

const remedy = "leave out [plugins.estimate], or set compare = true to have both, and their difference"
