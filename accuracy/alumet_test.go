package accuracy_test

// alumet multiplies the energy of all packages in each second by a pod's percentage of
// CPU time. That is known as a mean over five seconds, and interpolated between the ends
// of these to the seconds of the energy, as its default intervals have it. There is no
// value before a pod's second reading, and none after its last. Which energy is meant, the
// formula's configuration says: in the published one, the packages'.
type alumet struct {
	*account
	all  int // CPUs that are 100 %
	pods map[*pod]*usage
	// energy is what the packages used in each second, in µJ, from the first on.
	energy []float64
	counts []bool
	order  []*pod
	last   *reading
}

// usage is what is known of a pod.
type usage struct {
	us     uint64 // when it was read last
	points []point
}

// point is a part of CPU time, 1 for one CPU, at the end of the time of which it is a mean.
type point struct {
	second int
	cpus   float64
}

const alumetEvery = 5 // windows

func (a *alumet) title() string {
	if a.all == 1 {
		return "Alumet, 100 % is one CPU"
	}
	return "Alumet, 100 % is all CPUs"
}

func (a *alumet) source() string {
	text := "`expr = \"cpu_energy * cpu_usage / 100.0\"` in the README of the plugin energy-attribution, "
	if a.all == 1 {
		return text + "with the percentage as its plugin for Kubernetes defines it"
	}
	return text + "read as a share of what all CPUs can do"
}

func (a *alumet) observe(r *reading, counts bool) {
	if a.last != nil {
		a.energy, a.counts = append(a.energy, r.energyBetween(a.last, inPackage)), append(a.counts, counts)
	}
	a.last = r
	if r.second%alumetEvery != 0 {
		return
	}
	for _, g := range r.groups {
		u := a.pods[g.pod]
		if u == nil {
			u = new(usage)
			a.pods[g.pod] = u
			a.order = append(a.order, g.pod)
		} else {
			u.points = append(u.points, point{r.second, float64(g.us-u.us) / 1e6 / (alumetEvery * window.Seconds())})
		}
		u.us = g.us
	}
}

func (a *alumet) conclude() *account {
	a.silentOnMemory = true
	for i, energy := range a.energy {
		if !a.counts[i] {
			continue
		}
		var given float64
		for _, p := range a.order {
			part := energy * a.pods[p].at(i+1) / float64(a.all)
			a.give(p, inPackage, part)
			given += part
		}
		a.closeWindow(given, energy)
	}
	return a.account
}

// at interpolates to a second; it is 0 where there is nothing to interpolate between.
func (u *usage) at(second int) float64 {
	for i, p := range u.points {
		switch {
		case p.second == second:
			return p.cpus
		case p.second > second && i > 0:
			before := u.points[i-1]
			passed := float64(second-before.second) / float64(p.second-before.second)
			return before.cpus + float64(passed*(p.cpus-before.cpus)) // rounded, as on every processor
		}
	}
	return 0
}
