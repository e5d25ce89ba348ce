package hwmon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// status is how the plugin or a meter fares, as the attributes of the metrics have it.
type status string

const (
	statusOK           status = "ok"
	statusNoTree       status = "no_tree"       // no hwmon at all
	statusNoMeter      status = "no_meter"      // nothing that is known or named
	statusAbsent       status = "absent"        // a meter that is named is not there
	statusAmbiguous    status = "ambiguous"     // several sensors fit
	statusNoPermission status = "no_permission" // it may not be read
	statusMasked       status = "masked"        // links lead nowhere
	statusDisabled     status = "disabled"      // the driver has no value
	statusGone         status = "gone"          // it was there
	statusReadError    status = "read_error"    // anything else
)

// statuses are all of the plugin's.
func statuses() []status {
	return []status{statusOK, statusNoTree, statusNoMeter, statusAbsent, statusAmbiguous, statusNoPermission,
		statusMasked, statusDisabled, statusGone, statusReadError}
}

// errGone is why a meter is not read that was there.
var errGone = errors.New("it is not there any more; is its driver being loaded anew?")

// statusOf tells what kind of trouble an error is.
func statusOf(err error) status {
	switch {
	case err == nil:
		return statusOK
	case errors.Is(err, errGone), errors.Is(err, unix.ENODEV):
		return statusGone
	case errors.Is(err, unix.ENODATA):
		return statusDisabled
	case errors.Is(err, fs.ErrPermission):
		return statusNoPermission
	case absent(err):
		return statusMasked
	}
	return statusReadError
}

const (
	remedyMount = "mount all of the host's /sys, read-only, at a path of its own such as /host/sys, and name it in sysfs_root of [agent]"
	remedyUser  = "run the agent as user 0 of the host, which needs no capability for it, or let its group read the file (udev rule, chgrp and chmod g+r)"
	remedyRoot  = "the agent is root, so a security profile or a user namespace keeps it from the file: " + remedyMount + ", with hostUsers: true"
)

// explain makes one text of a trouble: what, where, and what helps.
func explain(st status, err error) error {
	switch st {
	case statusNoPermission:
		if os.Geteuid() == 0 {
			return fmt.Errorf("%w; %s", err, remedyRoot)
		}
		return fmt.Errorf("%w; %s", err, remedyUser)
	case statusMasked:
		return fmt.Errorf("%w: a link leads nowhere; %s", err, remedyMount)
	case statusDisabled:
		return fmt.Errorf("%w: the sensor is disabled or has no value now; if it has a file that ends in _enable, write 1 into it", err)
	}
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return fmt.Errorf("%w; raise the limit of open files (ulimit -n, LimitNOFILE)", err)
	}
	return err
}

// tell notes how a meter fares.
func (s *source) tell(m *meter, err error) {
	st := statusOf(err)
	if st == m.status && (err == nil || m.trouble != nil) {
		return // as before; what it says differs by numbers at most
	}
	m.status, m.trouble, s.changed = st, err, true
}
