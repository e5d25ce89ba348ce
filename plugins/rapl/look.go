package rapl

import (
	"slices"
	"time"
)

// lookInterval is how often the tree is looked through: drivers are loaded and
// unloaded, and rights change.
const lookInterval = time.Minute

// look finds out which zones there are. Those that are known keep their counters. A zone
// that is not there any more waits for its return as long as its baseline is good, since
// drivers are loaded anew, unless the same register is back in another folder.
func (s *source) look(now time.Time) {
	s.looked, s.removed = now, false
	seen, tree := find(s.sysfs)
	old := make(map[string]*zone, len(s.zones))
	for _, z := range s.zones {
		old[z.key()] = z
	}
	here := make(map[string]bool, len(seen)) // registers
	var zones []*zone
	for _, f := range seen {
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
		if z.counter.known && !here[z.register()] {
			z.gone = true
			z.close() // what its folder holds now is another zone
			zones = append(zones, z)
		} else {
			s.part(z)
		}
	}
	slices.SortFunc(zones, func(a, b *zone) int { return byFolder(a.folder, b.folder) })
	s.zones = zones
	s.choose()
	s.open()
	s.judge(len(seen) > 0, tree)
}

// choose gives each domain its zones. Of zones that show the same silicon the first
// counts: those of intel-rapl come before those of intel-rapl-mmio.
func (s *source) choose() {
	known := make(map[place]*domain, len(s.domains))
	for _, d := range s.domains {
		known[d.place] = d
	}
	next := make(map[place]*domain, len(known))
	var order []*domain
	for _, z := range s.zones {
		d := next[z.place]
		if d == nil {
			if d = known[z.place]; d == nil {
				d = &domain{place: z.place, series: newSeries(z.place)}
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
		if next[d.place] == nil {
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
			z.close()
			continue
		}
		if z.gone {
			continue
		}
		z.limits, z.limited = limitsOf(z.path, z.place, above[parentOf(z.folder)])
		above[z.folder] = &z.limits
		z.open()
	}
}

// part lets go of a zone. What it counted belongs to its domain all the same.
func (s *source) part(z *zone) {
	z.close()
	for _, d := range s.domains {
		if slices.Contains(d.zones, z) {
			d.leave(z)
		}
	}
}
