package k8s

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/podjoule/podjoule/cgroup"
)

// topology is which CPU belongs to which CPU package, as the kernel tells it below
// devices/system/cpu of sysfs. A CPU that is offline is told of no more, and stays where
// it was seen last. Packages are numbered in the order in which they were seen, so that
// one that comes later changes no number.
type topology struct {
	dir      string
	packages []string // the kernel's numbers of them
	possible []int    // the CPUs that the machine can have
	of       []int    // the package of each of these; below 0 is not known
	online   []byte   // the CPUs that are, as read last
	// wanted says that something was counted on a CPU whose package is not known.
	wanted bool
	looked time.Time
}

// refresh looks at what has changed, now and then. It reports whether packages were found.
func (x *topology) refresh(now time.Time) (bool, error) {
	if !x.looked.IsZero() && now.Sub(x.looked) < searchInterval {
		return false, nil
	}
	x.looked = now
	online, err := os.ReadFile(filepath.Join(x.dir, "online"))
	if err != nil {
		return false, fmt.Errorf("read which CPUs there are: %w", err)
	}
	if len(x.packages) > 0 && !x.wanted && bytes.Equal(online, x.online) {
		return false, nil
	}
	had := len(x.packages)
	if err := x.read(); err != nil {
		return len(x.packages) > had, err
	}
	x.online, x.wanted = online, false
	if len(x.packages) == 0 {
		return false, fmt.Errorf("no CPU in %s says which package it belongs to", x.dir)
	}
	return len(x.packages) > had, nil
}

// read reads the package of each CPU that can have one.
func (x *topology) read() error {
	text, err := os.ReadFile(filepath.Join(x.dir, "possible"))
	if err != nil {
		return fmt.Errorf("read which CPUs there can be: %w", err)
	}
	ranges, err := cgroup.ParseCPUs(text, nil)
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Join(x.dir, "possible"), err)
	}
	var possible []int
	for _, r := range ranges {
		for cpu := r.First; cpu <= r.Last; cpu++ {
			possible = append(possible, cpu)
		}
	}
	if !slices.Equal(possible, x.possible) { // as it is until the machine boots again
		x.possible, x.of = possible, slices.Repeat([]int{-1}, len(possible))
	}
	ids := make([]int, len(possible))
	for i, cpu := range possible {
		if ids[i], err = x.packageOf(cpu); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(slices.Values(ids)) {
		if name := strconv.Itoa(id); id >= 0 && !slices.Contains(x.packages, name) {
			x.packages = append(x.packages, name)
		}
	}
	for i, id := range ids {
		if id >= 0 {
			x.of[i] = slices.Index(x.packages, strconv.Itoa(id))
		}
	}
	return nil
}

// packageOf returns the kernel's number of the package of a CPU, or one below 0 where it
// has none or is offline.
func (x *topology) packageOf(cpu int) (int, error) {
	file := filepath.Join(x.dir, "cpu"+strconv.Itoa(cpu), "topology/physical_package_id")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the package of a CPU: %w", err)
	}
	id, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil {
		return 0, fmt.Errorf("read %s: want a number: %w", file, err)
	}
	return id, nil
}

// within returns the package in which all of the CPUs are, or one below 0 where there is
// none.
func (x *topology) within(cpus []cgroup.CPURange) int {
	at := -1
	for i, r := range cpus {
		for cpu := r.First; cpu <= r.Last; cpu++ {
			place, ok := slices.BinarySearch(x.possible, cpu)
			if !ok || x.of[place] < 0 {
				x.wanted = true
				return -1
			}
			if first := i == 0 && cpu == r.First; !first && x.of[place] != at {
				return -1
			}
			at = x.of[place]
		}
	}
	return at
}
