package agent

import (
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/podjoule/podjoule/agent/plugin"
)

// pageSet is pages that are served together. It is safe for concurrent use.
type pageSet struct {
	listening bool

	mu     sync.Mutex
	sealed bool // pages can no longer be added
	pages  []page
}

type page struct {
	plugin.Page
	owner string
}

// add adds the page of a plugin.
func (s *pageSet) add(owner string, p plugin.Page) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.listening:
		return fmt.Errorf(`there is no listener for the page %s: set listen in the table [agent], for example to ":9464"`, p.Path)
	case s.sealed:
		return fmt.Errorf("the page %s comes too late: pages are added while the plugin is opened", p.Path)
	case !strings.HasPrefix(p.Path, "/") || path.Clean(p.Path) != p.Path || strings.ContainsAny(p.Path, "?#% \t\r\n\"<>"):
		return fmt.Errorf(`want a plain absolute path such as "/metrics", have %q`, p.Path)
	case p.Handler == nil:
		return fmt.Errorf("the page %s has no handler", p.Path)
	}
	for _, other := range s.pages {
		if other.Path == p.Path {
			return fmt.Errorf("the path %s is taken by %s: choose another one", p.Path, other.owner)
		}
	}
	s.pages = append(s.pages, page{p, owner})
	return nil
}

func (s *pageSet) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
}

// find returns the page at a path. The set is sealed.
func (s *pageSet) find(path string) (page, bool) {
	for _, p := range s.pages {
		if p.Path == path {
			return p, true
		}
	}
	return page{}, false
}
