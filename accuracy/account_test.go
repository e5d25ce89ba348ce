package accuracy_test

import (
	"math"

	"github.com/podjoule/podjoule/agent/measure"
)

// account is what somebody says of who used what, in µJ by domain.
type account struct {
	pods                   map[*pod]*[domains]float64
	system, idle           [domains]float64
	ended                  [domains]float64 // of ended pods together
	tellsSystem, tellsIdle bool
	silentOnMemory         bool
	windows, exceeded      int // in all, and in which pods got more than was measured
}

func newAccount() *account { return &account{pods: make(map[*pod]*[domains]float64)} }

// give adds to a pod.
func (a *account) give(p *pod, domain int, µJ float64) {
	if a.pods[p] == nil {
		a.pods[p] = new([domains]float64)
	}
	a.pods[p][domain] += µJ
}

// add takes a sample of the transform.
func (a *account) add(s *measure.Series, n uint64, known map[string]*pod) {
	a.tellsSystem, a.tellsIdle = true, true
	domain := inPackage
	if s.Resource.Kind == "dram" {
		domain = inMemory
	}
	switch uid, _ := s.Attribute("uid"); {
	case s.Metric.Name == "energy_system":
		a.system[domain] += float64(n)
	case s.Metric.Name == "energy_idle":
		a.idle[domain] += float64(n)
	case s.Metric.Name != "pod_energy": // unattributed: what is left of the measured
	case known[uid] != nil:
		a.give(known[uid], domain, float64(n))
	default:
		a.ended[domain] += float64(n)
	}
}

// podsTotal is what all pods have together, by name or not.
func (a *account) podsTotal(pods []*pod, domain int) float64 {
	sum := a.ended[domain]
	for _, p := range pods { // in their order: sums of floats depend on it
		if told := a.pods[p]; told != nil {
			sum += told[domain]
		}
	}
	return sum
}

// closeWindow compares what pods got in a window with what was measured in it.
func (a *account) closeWindow(given, measured float64) {
	a.windows++
	if given > measured*(1+1e-9) {
		a.exceeded++
	}
}

// truth is what really was used in the time that counts.
type truth struct {
	account
	measured [domains]float64
}

// snapshot is what was truly used so far, in nJ.
type snapshot struct {
	pods   map[*pod][domains]uint64
	system [domains]uint64
	idle   [domains]uint64
	whole  [domains]uint64
}

func (n *node) snapshot() snapshot {
	s := snapshot{pods: make(map[*pod][domains]uint64)}
	for d := range domains {
		for _, p := range n.pods {
			of := s.pods[p]
			of[d] = p.total(d)
			s.pods[p] = of
		}
		s.system[d] = n.system.total(d)
		for i := range n.joules[d] {
			s.idle[d] += n.idle[d][i]
			s.whole[d] += n.joules[d][i]
		}
	}
	return s
}

// since is what was used between two moments.
func (s *snapshot) since(before *snapshot) *truth {
	t := &truth{account: *newAccount()}
	for d := range domains {
		for p, now := range s.pods {
			t.give(p, d, float64(now[d]-before.pods[p][d])/1000)
		}
		t.system[d] = float64(s.system[d]-before.system[d]) / 1000
		t.idle[d] = float64(s.idle[d]-before.idle[d]) / 1000
		t.measured[d] = float64(s.whole[d]-before.whole[d]) / 1000
	}
	return t
}

// faults are how far an account is from the truth, in percent of what pods truly used.
type faults struct {
	mean  float64 // of the sizes
	worst float64 // with its sign
	whose string
}

// faultsOf compares what is told of some pods' domain.
func (t *truth) faultsOf(a *account, pods []*pod, domain int) faults {
	var f faults
	counted := 0
	for _, p := range pods {
		of := t.pods[p][domain]
		if of == 0 {
			continue
		}
		var told float64
		if x := a.pods[p]; x != nil {
			told = x[domain]
		}
		off := 100 * (told - of) / of
		f.mean += math.Abs(off)
		counted++
		if f.whose == "" || math.Abs(off) > math.Abs(f.worst) {
			f.worst, f.whose = off, p.name
		}
	}
	f.mean /= float64(max(counted, 1))
	return f
}
