package rapl

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/sysfs"
)

// place is what a zone measures. Zones of one place that are different dies add up;
// all others of one place are the same silicon, seen twice.
type place struct {
	resource measure.Resource
	domain   string
}

// placeOf tells what a zone measures from its name and those of the zones above it,
// the uppermost first. die is the number of its die; dies tells whether it has one.
func placeOf(names []string) (p place, die uint64, dies bool) {
	name := names[len(names)-1]
	p = place{measure.Resource{Kind: measure.LocalMachine}, name}
	if len(names) == 1 && name == "psys" {
		p.domain = domainPlatform
		return p, 0, false
	}
	// The package is the nearest one above.
	for i := len(names) - 1; i >= 0; i-- {
		socket, m, has, ok := parsePackage(names[i])
		if !ok {
			continue
		}
		p.resource = measure.Resource{Kind: kindPackage, ID: strconv.FormatUint(socket, 10)}
		switch below := names[i+1:]; {
		case len(below) == 0:
			p.domain = domainPackage
		case len(below) == 1 && name == domainDRAM:
			p.resource.Kind = kindDRAM
		case len(below) > 1 || name == domainPackage || name == domainPlatform:
			// Not to be taken for the domain that it only shares its name with.
			p.domain = strings.Join(names[i:], "/")
		}
		return p, m, has
	}
	if len(names) > 1 || name == domainPackage || name == domainPlatform {
		p.domain = "zone/" + strings.Join(names, "/")
	}
	return p, 0, false
}

// parsePackage parses "package-N" and "package-N-die-M".
func parsePackage(name string) (socket, die uint64, dies, ok bool) {
	rest, ok := strings.CutPrefix(name, "package-")
	if !ok {
		return 0, 0, false, false
	}
	first, second, dies := strings.Cut(rest, "-die-")
	socket, ok = sysfs.ParseIndex(first)
	if ok && dies {
		die, ok = sysfs.ParseIndex(second)
	}
	return socket, die, dies, ok
}

// cleanName makes a name of a file's text. A slash, which stands between names, becomes
// U+FFFD. An empty name is the folder's.
func cleanName(text []byte, folder string) string {
	name := sysfs.Name(text)
	if name == "" {
		name = sysfs.Name([]byte(folder))
	}
	return strings.ReplaceAll(name, "/", string(unicode.ReplacementChar))
}
