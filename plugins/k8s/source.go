package k8s

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/token"
)

const (
	// searchInterval is how often the whole tree is looked through for
	// kubepods folders, and lostInterval how often while nothing is found.
	searchInterval = 30 * time.Second
	lostInterval   = time.Second
	// enoughLists is how many lists may fail to name a container before it is
	// taken for the pod's sandbox, which the API server never names and whose
	// share is in the pod's own numbers. It also ends the search for the names
	// of pods in another node's tree.
	enoughLists = 5
	// heldFor is how long a cgroup that is gone without a name waits for it.
	heldFor = 30 * time.Second
)

// source measures the pods of a node.
type source struct {
	node                        string
	groups                      groups
	measuresCPU, measuresMemory bool
	measuresContainers          bool
	sysfs                       string
	scan                        time.Duration // without inotify; 0 is with it
	metrics                     *metricSets
	chosen                      choice
	ceiling                     ceiling
	discovery                   *discovery
	hierarchy                   *cgroup.Hierarchy

	mu        sync.Mutex // for all that follows: between ticks, cgroups come and go
	finder    *cgroup.Finder
	searched  time.Time // when the whole tree was looked through last
	looked    time.Time // when it was last known what came and went
	windowEnd time.Time // of the last tick
	changed   bool      // targets came or went since the last tick
	endings   int       // targets that are gone
	touched   []touch   // pods to be read again soon
	events    *cgroup.Events

	targets   []*target // pods and containers, in the order of their appearance
	byFound   map[*cgroup.Found]*target
	pods      map[string]*target // by UIDKey
	trees     map[string]*tree   // by the path of kubepods
	directory *directory         // that the targets were last named from

	buf     cgroup.Buffer
	cpu     cgroup.CPU
	memory  cgroup.Memory
	details detailBuffers

	sockets *sockets // nil where nobody wants them

	memoryPace memoryPace
	memoryDue  bool // memory is read in this tick

	self    *instruments
	wrong   atomic.Pointer[error] // what is wrong with the tree, for Ready
	refused atomic.Pointer[error] // why births are found by scanning alone, for Ready
}

func newSource(c *Config, node string, hierarchy *cgroup.Hierarchy, host *plugin.Host) (*source, error) {
	tokens := token.New(c.Token)
	found, err := openDiscovery(c, node, tokens, host)
	if err != nil {
		return nil, err
	}
	self, err := newInstruments(host.Meter, tokens, found, hierarchy)
	if err != nil {
		return nil, err
	}
	files, err := fileLimit()
	if err != nil {
		return nil, err
	}
	chosen, err := c.choice()
	if err != nil {
		return nil, err
	}
	groups := groupsOf(c.MetricGroups)
	s := &source{
		node:               node,
		sysfs:              host.SysfsRoot,
		metrics:            c.sets(),
		chosen:             chosen,
		groups:             groups,
		measuresCPU:        groups.CPU || groups.Sockets,
		measuresMemory:     groups.Memory,
		memoryPace:         newMemoryPace(c),
		measuresContainers: c.Containers,
		scan:               c.scan,
		discovery:          found,
		hierarchy:          hierarchy,
		finder:             hierarchy.Finder(c.Containers),
		byFound:            make(map[*cgroup.Found]*target),
		pods:               make(map[string]*target),
		trees:              make(map[string]*tree),
		self:               self,
	}
	found.happened = s.glanceAt
	if err := s.ceiling.open(c.MaxSeries, host.Meter); err != nil {
		return nil, err
	}
	if groups.Sockets {
		s.openSockets(filepath.Join(host.SysfsRoot, "devices/system/cpu"))
	}
	hierarchy.KeepOpen(keptFiles(files))
	return s, nil
}

// Run implements plugin.Runner: it keeps the names of pods up to date, and looks at
// cgroups when they come and go.
func (s *source) Run(ctx context.Context) error {
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return s.discovery.run(ctx) })
	both.Go(func() error { return s.followCgroups(ctx) })
	return both.Wait()
}

// Close implements io.Closer.
func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.targets {
		t.reader.Close()
	}
	for _, t := range s.trees {
		t.reader.Close()
	}
	s.finder.Close()
	s.hierarchy.Close()
	return s.self.close()
}

// Ready implements plugin.Readier.
func (s *source) Ready() error {
	if err := s.discovery.wrong(); err != nil {
		return err
	}
	if wrong := s.wrong.Load(); wrong != nil {
		return *wrong
	}
	if full := s.ceiling.full.Load(); full != nil {
		return *full
	}
	if s.sockets != nil {
		if wrong := s.sockets.wrong.Load(); wrong != nil {
			return *wrong
		}
	}
	if refused := s.refused.Load(); refused != nil {
		return *refused
	}
	return nil
}
