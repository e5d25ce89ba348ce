package k8s

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// sockets tells CPU time by CPU package, where that is wanted. There are two ways to know
// it. Version 1 counts the time on each CPU. Else the CPU time of a cgroup is that of the
// package in which all CPUs are on which it may run; with one package in the machine,
// that is true of every cgroup, and nothing else is read for it.
type sockets struct {
	topology topology
	counted  bool // the time on each CPU is read
	perCPU   cgroup.PerCPU
	set      cgroup.CPUSet
	spent    []uint64              // by package, since the reading before
	wrong    atomic.Pointer[error] // for Ready
}

// packageTimes is what is kept of a target for its CPU time by package.
type packageTimes struct {
	cpus     cpuTimes
	counters []counter // by package
	place    place
}

// cpuTimes is what a cgroup had counted on each CPU when it was read last.
type cpuTimes struct {
	known bool
	last  []uint64
}

// read takes a reading, and has spent tell what was counted since the one before, by
// package. What was counted on a CPU whose package is not known waits until it is. It
// reports whether the counters went backwards, which makes a new baseline.
func (x *cpuTimes) read(times []uint64, of *topology, spent []uint64) (back bool) {
	clear(spent)
	if len(x.last) != len(times) {
		back = len(x.last) > 0
		x.last = make([]uint64, len(times)) // one that was born has counted from zero
	}
	for i := range times {
		back = back || times[i] < x.last[i]
	}
	if back || !x.known {
		copy(x.last, times)
		x.known = true
		return back
	}
	for i, n := range times {
		switch at := of.of[i]; {
		case n == x.last[i]:
		case at < 0:
			of.wanted = true
		default:
			spent[at] += n - x.last[i]
			x.last[i] = n
		}
	}
	return false
}

// place is the package in which a cgroup runs.
type place struct {
	known bool
	at    int  // below 0 is none, or several
	moved bool // it has changed since its CPU time was taken last
}

func (p *place) look(at int) {
	p.moved = p.moved || p.known && at != p.at
	p.known, p.at = true, at
}

// settled returns the package in which all of the CPU time was spent that is about to be
// taken.
func (p *place) settled() (at int, ok bool) { return p.at, p.known && !p.moved && p.at >= 0 }

// openSockets looks at the machine's CPUs for the first time.
func (s *source) openSockets(dir string) {
	s.sockets = &sockets{topology: topology{dir: dir}}
	s.refreshSockets()
}

// refreshSockets looks at the machine's CPUs again, now and then.
func (s *source) refreshSockets() {
	x := s.sockets
	found, err := x.topology.refresh(time.Now())
	if err != nil {
		kept := fmt.Errorf("cpu_package_time_delta is not told: %w; is sysfs_root of [agent] where the host's /sys is mounted?", err)
		x.wrong.Store(&kept)
	} else if len(x.topology.packages) > 0 {
		x.wrong.Store(nil)
	}
	if !found {
		return
	}
	x.spent = make([]uint64, len(x.topology.packages))
	x.counted = len(x.spent) > 1 && s.hierarchy.TellsPerCPU()
	s.ceiling.sizes = [2]int{} // a pod has more series now
	for _, t := range s.targets {
		s.growPackages(t)
	}
	for _, t := range s.trees {
		t.grow(len(x.spent))
	}
}

// growPackages makes room for all packages in what is kept of a target. What was counted
// in one that was found just now waited since the reading before.
func (s *source) growPackages(t *target) {
	x := t.packages
	if x == nil {
		return
	}
	for len(x.counters) < len(s.sockets.spent) {
		var fresh counter
		if len(x.counters) > 0 {
			first := &x.counters[0]
			fresh = counter{known: first.known, at: first.at, from: first.from, end: first.end, counted: first.counted}
		}
		x.counters = append(x.counters, fresh)
	}
}

// followPackages begins to keep the CPU time of a pod by package. One that was born
// between two moments has counted from zero: see bornCounter.
func (s *source) followPackages(t *target, born bool, after time.Time) {
	if s.sockets == nil || !t.isPod() {
		return
	}
	t.packages = new(packageTimes)
	s.growPackages(t)
	if t.packages.cpus.known = born; !born {
		return
	}
	for i := range t.packages.counters {
		t.packages.counters[i] = bornCounter(after, s.windowEnd)
	}
}

// carry takes over what was counted and nobody has taken.
func (x *packageTimes) carry(old *packageTimes) {
	if x == nil {
		return
	}
	for i := range x.counters {
		x.counters[i].carry(&old.counters[i])
	}
	x.place = old.place
}

// begin is that of its counters.
func (x *packageTimes) begin(start time.Time) {
	if x == nil {
		return
	}
	for i := range x.counters {
		x.counters[i].begin(start)
	}
}

// placeOf looks where a cgroup may run. A cgroup that is gone was where it was.
func (s *source) placeOf(r *cgroup.Reader, p *place) error {
	if len(s.sockets.spent) == 1 {
		p.look(0)
		return nil
	}
	err := r.CPUSet(&s.buf, &s.sockets.set)
	switch {
	case errors.Is(err, cgroup.ErrGone):
		return nil
	case s.sockets.set.Known:
		p.look(s.sockets.topology.within(s.sockets.set.Ranges))
	default:
		p.look(-1)
	}
	return err
}

// readCPUs reads the time on each CPU.
func (s *source) readCPUs(r *cgroup.Reader) error {
	x := s.sockets
	err := r.PerCPU(&s.buf, &x.perCPU)
	if have, want := len(x.perCPU.Times), len(x.topology.of); x.perCPU.Known && have != want {
		x.perCPU.Known = false
		return fmt.Errorf("%s has the time of %d CPUs, and the machine can have %d", r.Path(), have, want)
	}
	return err
}

// readPackages reads a pod's CPU time by package, right after all of its CPU time.
func (s *source) readPackages(t *target, at time.Time) (back bool, err error) {
	x := t.packages
	if x == nil || len(x.counters) == 0 { // the second: no package is known
		return false, nil
	}
	if !s.sockets.counted {
		if t.cpu[total].stale {
			return false, nil
		}
		first := !x.place.known
		err = s.placeOf(t.reader, &x.place)
		if first && t.cpu[total].sum > 0 && len(x.counters) > 1 {
			x.place.moved = true // what was counted before may have been elsewhere
		}
		return false, err
	}
	if !t.removed {
		err = s.readCPUs(t.reader)
	}
	if t.removed || !s.sockets.perCPU.Known {
		for i := range x.counters {
			x.counters[i].stale = true
		}
		if errors.Is(err, cgroup.ErrGone) {
			t.removed, err = true, nil
		}
		return false, err
	}
	back = x.cpus.read(s.sockets.perCPU.Times, &s.sockets.topology, s.sockets.spent)
	for i := range x.counters {
		c := &x.counters[i]
		v := cgroup.Value{N: c.n + s.sockets.spent[i], Known: true}
		if back {
			c.rebase(v, at, s.windowEnd)
			continue
		}
		untaken := c.sum
		c.read(v, at, s.windowEnd)
		t.tree.packages[i].booked += c.sum - untaken
	}
	return back, nil
}

// readFolderPackages reads the CPU time of a kubepods folder by package.
func (s *source) readFolderPackages(t *tree) error {
	if !s.sockets.counted {
		if !t.now.Known || len(t.packages) == 0 {
			return nil
		}
		return s.placeOf(t.reader, &t.place)
	}
	t.split = false
	err := s.readCPUs(t.reader)
	if !s.sockets.perCPU.Known {
		return err
	}
	t.split = true
	known := t.cpus.known
	if t.cpus.read(s.sockets.perCPU.Times, &s.sockets.topology, s.sockets.spent) || !known {
		t.openPackages = false
	}
	for i, n := range s.sockets.spent {
		t.spent[i] += n
	}
	return nil
}

// placeLeft takes how much more is left of a folder's CPU time as that of the package in
// which all of it was spent, if that is known.
func (t *tree) placeLeft(more uint64) {
	if at, ok := t.place.settled(); ok && at < len(t.packages) {
		t.packages[at].left += more
	}
	t.place.moved = false
}

// closePackages adds what each package counted for a folder and no pod is to be shown
// with.
func (s *source) closePackages(t *tree, b *measure.Batch, sure bool) error {
	switch {
	case !s.sockets.counted: // see placeLeft
	case !t.openPackages:
		// As openBooks: after the pods were read, and in the tick that found the folder.
		if err := s.readFolderPackages(t); err != nil || !t.split {
			return err
		}
		for i := range t.packages {
			t.packages[i].begin(t.spent[i])
		}
		t.openPackages = true
		return nil
	case !t.split || !sure || s.unsure(t, func(of *target) bool { return of.packages.stale() }):
		return nil
	default:
		for i := range t.packages {
			t.packages[i].balance(t.spent[i])
		}
	}
	for i := range t.packages {
		s.tell(t, &t.packages[i], b, func() *measure.Series { return s.newRemainder(t, s.metrics.pods.cpuPackageTime, s.packageResource(i)) })
	}
	return nil
}

// stale reports whether the times of the CPUs could not be read when they were to be.
func (x *packageTimes) stale() bool {
	return slices.ContainsFunc(x.counters, func(c counter) bool { return c.stale })
}

func (s *source) packageResource(i int) measure.Resource {
	return measure.Resource{Kind: resourcePackage, ID: s.sockets.topology.packages[i]}
}

// addPackages makes the series of the packages of which a pod has none.
func (s *source) addPackages(t *target, made *series) {
	if t.packages == nil {
		return
	}
	for i := len(made.packages); i < len(t.packages.counters); i++ {
		made.packages = append(made.packages, made.addOn(t, s.metrics.pods.cpuPackageTime, s.packageResource(i), made.attributes))
	}
}

// emitPackages adds what was counted on each CPU, by package.
func (s *source) emitPackages(t *target, b *measure.Batch) {
	x := t.packages
	if x == nil {
		return
	}
	if missing := len(x.counters) - len(t.series.packages); missing > 0 && s.ceiling.take(missing) {
		s.addPackages(t, t.series)
	}
	if !s.sockets.counted {
		return // see emitPlace
	}
	for i, series := range t.series.packages {
		c := &x.counters[i]
		switch {
		case !hasWindow(b):
		case c.stale && t.lives():
		default:
			if a, ok := c.take(b.End); ok {
				emitAmount(series, a, b)
			}
		}
	}
}

// emitPlace adds CPU time that was taken as that of the package in which all of it was
// spent, if that is known.
func (s *source) emitPlace(t *target, a amount, taken bool, b *measure.Batch) {
	x := t.packages
	if x == nil || s.sockets.counted {
		return
	}
	if at, ok := x.place.settled(); ok && taken && at < len(t.series.packages) {
		emitAmount(t.series.packages[at], a, b)
	}
	x.place.moved = false
}
