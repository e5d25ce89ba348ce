package rapl

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// surveyPerf looks for the events of energy below sysfs.
func surveyPerf(sysfs, procfs string) survey {
	var s survey
	units := 0
	byPackage := countsByPackage(procfs)
	for _, name := range []string{pmuPower, pmuCores} {
		p, trouble, err := readPMU(sysfs, name, byPackage)
		if absent(err) && !exists(p.path) {
			continue
		}
		units++
		if err == nil {
			var zones []found
			zones, err = p.zones()
			s.zones = append(s.zones, zones...)
			err = cmp.Or(trouble, err)
		}
		s.trouble = cmp.Or(s.trouble, explainPMU(err))
	}
	slices.SortStableFunc(s.zones, func(a, b found) int { return byFolder(a.folder, b.folder) })
	if len(s.zones) > 0 {
		return s
	}
	folder := filepath.Join(sysfs, "bus/event_source/devices", pmuPower)
	switch {
	case s.trouble != nil:
		s.status, s.err = statusOf(s.trouble), s.trouble
	case units == 0:
		s.status, s.err = statusNoTree, fmt.Errorf("no energy events: %s is not there; a virtual machine has none; "+
			"on a machine of its own load the kernel's module (modprobe rapl), if it knows this CPU", folder)
	default:
		s.status, s.err = statusNoZones, fmt.Errorf("no energy events: %s is there, but has no event energy-*, or no CPU in its cpumask; "+
			"the kernel does not know the meters of this CPU, perhaps", folder)
	}
	return s
}

// exists tells whether a path leads somewhere, or may.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !absent(err)
}

// trouble is an error that says itself of what kind it is, and what helps.
type trouble struct {
	status status
	error
}

// Unwrap returns the cause.
func (t *trouble) Unwrap() error { return t.error }

// explainPMU makes a trouble of what is wrong with the files of a PMU, and nil of nil.
func explainPMU(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return &trouble{statusNoPermission, fmt.Errorf("%w; every user may read it, unless a security profile forbids it: %s", err, remedyMount)}
	}
	return &trouble{statusReadError, err}
}

const (
	remedyPerfmon = "a whole CPU may be counted with the capability PERFMON only (Linux 5.8 or newer; SYS_ADMIN before) in the host's user namespace, " +
		"or by all where the sysctl kernel.perf_event_paranoid is 0 or lower"
	remedySeccomp = "a seccomp profile forbids perf_event_open, as RuntimeDefault does without the capability PERFMON, or the kernel is locked down: " +
		"give the container that capability, or a profile of its own"
	remedyKernel = "the kernel has no perf events, or a seccomp profile or a sandbox hides them"
)

// explainEvent makes a trouble of what the kernel answers to perf_event_open.
func explainEvent(err error) error {
	t := &trouble{status: statusReadError}
	add := func(remedy string) { t.error = fmt.Errorf("%w; %s", err, remedy) }
	switch {
	case errors.Is(err, unix.EACCES):
		t.status = statusNoPermission
		add(remedyPerfmon)
	case errors.Is(err, unix.EPERM):
		t.status = statusNoPermission
		add(remedySeccomp)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ESRCH):
		add("its CPU is offline; it is looked for again each minute")
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP):
		add("the kernel does not count what its own files list; is its module being loaded anew?")
	case errors.Is(err, unix.ENOSYS):
		add(remedyKernel)
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		add(remedyFiles)
	default:
		t.error = err
	}
	return t
}
