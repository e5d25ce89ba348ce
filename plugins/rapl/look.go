package rapl

import (
	"context"
	"slices"
	"time"
)

// lookInterval is how often the tree is looked through: drivers are loaded and
// unloaded, and rights change.
const lookInterval = time.Minute

// look finds out by which way the machine is measured, and which zones there are. Those
// that are known keep their counters. A zone that is not there any more waits for its
// return as long as its baseline is good, since drivers are loaded anew, unless the same
// register is back in another folder.
func (s *source) look(ctx context.Context, now time.Time) {
	s.looked, s.removed = now, false
	w, seen, refused := s.decide()
	if s.way != w {
		for _, z := range s.zones {
			s.part(ctx, z)
		}
		s.way, s.zones = w, nil
	}
	old := make(map[string]*zone, len(s.zones))
	for _, z := range s.zones {
		old[z.key()] = z
	}
	here := make(map[string]bool, len(seen.zones)) // registers
	var zones []*zone
	for _, f := range seen.zones {
		z := old[f.key()]
		if z == nil {
			z = &zone{fd: -1}
		}
		delete(old, f.key())
		z.found, z.gone = f, false
		here[z.register()] = true
		zones = append(zones, z)
	}
	for _, z := range old {
		if z.counter.known && !z.anew && !here[z.register()] {
			z.gone = true
			z.close(s.kernel) // what its folder holds now is another zone
			zones = append(zones, z)
		} else {
			s.part(ctx, z)
		}
	}
	slices.SortFunc(zones, func(a, b *zone) int { return byFolder(a.folder, b.folder) })
	s.zones = zones
	s.choose()
	s.open()
	s.judge(&seen, refused)
}

// choose gives each domain its zones. Of zones that show the same silicon the first
// counts: those of intel-rapl come before those of intel-rapl-mmio.
func (s *source) choose() {
	known := make(map[place]*domain, len(s.domains))
	for _, d := range s.domains {
		if d.way == s.way {
			known[d.place] = d
		}
	}
	next := make(map[place]*domain, len(known))
	var order []*domain
	for _, z := range s.zones {
		d := next[z.place]
		if d == nil {
			if d = known[z.place]; d == nil {
				d = &domain{place: z.place, way: s.way, series: newSeries(z.place, s.way.source)}
			}
			d.before, d.zones = d.zones, nil
			next[z.place] = d
			order = append(order, d)
		}
		if z.used = d.takes(z); z.used {
			d.zones = append(d.zones, z)
		} else if slices.Contains(d.before, z) {
			d.leave(z)
			z.counter = counter{}
		}
	}
	for _, d := range s.domains {
		if next[d.place] != d {
			d.zones = nil
			order = append(order, d) // to be emitted once more and retired
		}
	}
	for _, d := range order {
		d.before, d.whole = nil, wholeOf(d, next)
		for _, z := range d.zones {
			z.shared = len(d.zones) > 1
		}
	}
	// A whole comes before its parts, which are held against it.
	slices.SortStableFunc(order, func(a, b *domain) int {
		switch {
		case (a.whole == nil) == (b.whole == nil):
			return 0
		case a.whole == nil:
			return -1
		}
		return 1
	})
	s.domains = order
}

// takes tells whether a zone adds to those that the domain has: only another die of the
// same control type does.
func (d *domain) takes(z *zone) bool {
	for _, other := range d.zones {
		if other.control() != z.control() || !other.dies || !z.dies || other.die == z.die {
			return false
		}
	}
	return true
}

// wholeOf returns the package that holds a core or an uncore.
func wholeOf(d *domain, all map[place]*domain) *domain {
	if d.place.domain != domainCore && d.place.domain != domainUncore || d.place.resource.Kind != kindPackage {
		return nil
	}
	return all[place{d.place.resource, domainPackage}]
}

// open opens the zones that are used, and closes the others.
func (s *source) open() {
	above := make(map[string]*limits, len(s.zones))
	for _, z := range s.zones {
		if !z.used {
			z.close(s.kernel)
			continue
		}
		if z.gone {
			continue
		}
		z.limits, z.limited = z.access.limits(z.place, above[parentOf(z.folder)])
		above[z.folder] = &z.limits
		z.open(s.kernel)
	}
}

// part lets go of a zone. What it counted belongs to its domain all the same; what an event
// counted since it was read last is left out with it, as that may be less than was consumed.
func (s *source) part(ctx context.Context, z *zone) {
	s.shut(ctx, z)
	for _, d := range s.domains {
		if slices.Contains(d.zones, z) {
			d.leave(z)
		}
	}
}

// shut closes a zone's counter, and counts the interval that is left out where it begins
// anew when it is opened again.
func (s *source) shut(ctx context.Context, z *zone) {
	known := z.counter.known
	z.close(s.kernel)
	if known && !z.counter.known {
		s.self.dropped.Add(ctx, 1, s.self.gap)
	}
}
