package rapl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// status is how the plugin fares, as the attribute of its metric has it.
type status string

const (
	statusOK           status = "ok"
	statusNoTree       status = "no_tree"
	statusNoZones      status = "no_zones"
	statusNoPermission status = "no_permission"
	statusMasked       status = "masked"
	statusReadError    status = "read_error"
)

// statusOf tells what kind of trouble an error of the tree is.
func statusOf(err error) status {
	if t, ok := errors.AsType[*trouble](err); ok {
		return t.status
	}
	switch {
	case err == nil:
		return statusOK
	case errors.Is(err, fs.ErrPermission):
		return statusNoPermission
	case absent(err):
		return statusMasked
	}
	return statusReadError
}

const (
	remedyMount = "mount all of the host's /sys, read-only, at a path of its own such as /host/sys, and name it in sysfs_root of [agent]"
	remedyUser  = "energy belongs to root since Linux 5.10: run the agent as user 0 of the host, which needs no capability for it, " +
		"or let its group read energy_uj (udev rule, chgrp and chmod g+r)"
	remedyRoot  = "the agent is root, so a security profile or a user namespace keeps it from energy: " + remedyMount + ", with hostUsers: true"
	remedyFiles = "raise the limit of open files (ulimit -n, LimitNOFILE)"
)

// explain makes one text of a trouble: what, where, and what helps.
func explain(st status, err error) error {
	if _, ok := errors.AsType[*trouble](err); ok {
		return err
	}
	switch st {
	case statusNoPermission:
		if os.Geteuid() == 0 {
			return fmt.Errorf("%w; %s", err, remedyRoot)
		}
		return fmt.Errorf("%w; %s", err, remedyUser)
	case statusMasked:
		return fmt.Errorf("%w: it is hidden, as container runtimes do it; %s", err, remedyMount)
	}
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return fmt.Errorf("%w; %s", err, remedyFiles)
	}
	return err
}

// diagnose tells what is wrong when a search found no zone at all.
func (s *search) diagnose() (status, error) {
	if err := s.first(); err != nil {
		st := statusOf(err)
		return st, explain(st, err)
	}
	if s.trees == 0 {
		return statusNoTree, fmt.Errorf("no energy counters: neither %s nor %s is there; a virtual machine has none; "+
			"on a machine of its own load the kernel's module (modprobe intel_rapl_msr, for AMD too); in a container %s",
			s.roots[0], s.roots[1], remedyMount)
	}
	return statusNoZones, fmt.Errorf("no energy counters: %s is there, but has no zone of %s; "+
		"load the kernel's module (modprobe intel_rapl_msr, for AMD too), if it knows this CPU; a virtual machine has none",
		s.roots[0], controlType)
}
