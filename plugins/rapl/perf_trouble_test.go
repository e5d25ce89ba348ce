package rapl

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// pmuTrouble is something wrong with PMUs.
type pmuTrouble struct {
	spoil  func(t *testing.T, m *machine)
	status status
	says   []string // what is wrong, and what helps
	series int      // what is measured all the same
}

// pmuTroubles are PMUs that cannot be read, or not in full. K13, S6, S7.
func pmuTroubles() map[string]pmuTrouble {
	text := func(text string, path ...string) func(t *testing.T, m *machine) {
		return func(t *testing.T, m *machine) { write(t, text, append([]string{m.pmus.Path("power")}, path...)...) }
	}
	gone := func(path ...string) func(t *testing.T, m *machine) {
		return func(t *testing.T, m *machine) { remove(t, m.pmus.Path("power", path...)) }
	}
	topology := func(text, file string) func(t *testing.T, m *machine) {
		return func(t *testing.T, m *machine) {
			write(t, text, m.host.SysfsRoot, "devices/system/cpu/cpu28/topology", file)
		}
	}
	refuse := func(errno unix.Errno) func(t *testing.T, m *machine) {
		return func(_ *testing.T, m *machine) { m.pmus.Refuse(errno) }
	}
	const event = "energy-pkg on CPU 0"
	return map[string]pmuTrouble{
		"no PMU":       {gone(), statusNoTree, []string{"event_source/devices/power", "virtual machine", "modprobe rapl"}, 0},
		"no events":    {gone("events"), statusNoZones, []string{"energy-*", "devices/power"}, 0},
		"other events": {func(t *testing.T, m *machine) { gone("events")(t, m); text("event=0x01\n", "events", "cycles")(t, m) }, statusNoZones, []string{"energy-*"}, 0},
		"no CPU":       {text("\n", "cpumask"), statusNoZones, []string{"cpumask"}, 0},
		"no cpumask":   {gone("cpumask"), statusReadError, []string{"power/cpumask"}, 0},
		"cpumask that is garbled": {text("0,x\n", "cpumask"), statusReadError,
			[]string{"power/cpumask", "0,28-29", "0,x"}, 0},
		"no type":              {gone("type"), statusReadError, []string{"power/type"}, 0},
		"type that is garbled": {text("-1\n", "type"), statusReadError, []string{"power/type", `"-1"`}, 0},
		"a place that is not understood": {text("config1:0-7\n", "format", "event"), statusReadError,
			[]string{"format/event", "config:0-7"}, 0},
		"no place of terms": {gone("format"), statusOK, nil, 4},
		"an event that is not understood": {text("event=0x02,umask=1\n", "events", "energy-pkg"), statusReadError,
			[]string{"events/energy-pkg", "umask"}, 2},
		"an event that does not fit": {text("event=0x102\n", "events", "energy-pkg"), statusReadError, []string{"8 bits"}, 2},
		"no scale":                   {gone("events", "energy-pkg.scale"), statusReadError, []string{"energy-pkg.scale"}, 2},
		"scale that is garbled":      {text("-1\n", "events", "energy-pkg.scale"), statusReadError, []string{"energy-pkg.scale", `"-1"`}, 2},
		"no unit":                    {gone("events", "energy-pkg.unit"), statusReadError, []string{"energy-pkg.unit"}, 2},
		"another unit":               {text("Watts\n", "events", "energy-pkg.unit"), statusReadError, []string{"energy-pkg.unit", "Joules", "Watts"}, 2},
		"a CPU whose socket is not known": {topology("-1\n", "physical_package_id"), statusReadError,
			[]string{"socket of CPU 28", "physical_package_id", `"-1"`}, 2},
		"a die that is garbled": {topology("none\n", "die_id"), statusOK, nil, 4},
		"no right to count":     {refuse(unix.EACCES), statusNoPermission, []string{event, "permission denied", "PERFMON", "perf_event_paranoid"}, 0},
		"seccomp":               {refuse(unix.EPERM), statusNoPermission, []string{event, "not permitted", "seccomp", "RuntimeDefault", "PERFMON"}, 0},
		"no perf":               {refuse(unix.ENOSYS), statusReadError, []string{event, "no perf events", "sandbox"}, 0},
		"a CPU that is offline": {refuse(unix.ENODEV), statusReadError, []string{event, "offline", "minute"}, 0},
		"an event that is refused": {refuse(unix.EINVAL), statusReadError,
			[]string{event, "invalid argument", "module"}, 0},
		"too many files":  {refuse(unix.EMFILE), statusReadError, []string{event, "ulimit -n"}, 0},
		"something else":  {refuse(unix.EIO), statusReadError, []string{event, "input/output error"}, 0},
		"no right to see": {func(t *testing.T, m *machine) { chmod(t, m.pmus.Path("power"), 0); plugintest.WithoutRights(t) }, statusNoPermission, []string{"devices/power", "mount all of the host's /sys"}, 0},
	}
}

// Whatever is wrong, one text says what and what helps, and what can be measured is.
func TestEveryTroubleOfPerf(t *testing.T) {
	for name, trouble := range pmuTroubles() {
		t.Run(name, func(t *testing.T) {
			m := newPMUMachine(t, simnode.TwoSocketServerPMUs()...)
			trouble.spoil(t, m)
			_, _ = m.tick()
			said := m.source.Ready()
			got, err := m.tick()
			if len(got) != trouble.series || err != nil {
				t.Errorf("%d series, want %d: %v, %v", len(got), trouble.series, got, err)
			}
			if (said == nil) != (trouble.says == nil) {
				t.Fatalf("ready says %v, want it to name %v", said, trouble.says)
			}
			for _, want := range trouble.says {
				if !strings.Contains(said.Error(), want) {
					t.Errorf("ready says %q, want %q in it", said, want)
				}
			}
			if said != nil && strings.Contains(said.Error(), "\n") {
				t.Errorf("ready says more than one line: %q", said)
			}
			m.status(trouble.status)
		})
	}
}

// What was refused is tried again each minute, and no sooner.
func TestEventsThatAreAllowedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newPMUMachine(t, simnode.TwoSocketServerPMUs()...)
		m.pmus.Refuse(unix.EACCES)
		m.ticked()
		m.pmus.Refuse(nil)
		time.Sleep(lookInterval - time.Second)
		m.ticked()
		m.status(statusNoPermission)
		time.Sleep(time.Second)
		m.ticked()
		m.status(statusOK)
		m.must(m.pmus.Spend("power", "energy-pkg", 28, countsFor(70)))
		time.Sleep(time.Second)
		if got := m.ticked(); got[packageOf1] != 70 || len(got) != 4 {
			t.Errorf("then %v", got)
		}
	})
}

// Without the capability, and with it away from a user of the host, the real kernel says so
// in words that are explained.
func TestRightsOfARealKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a right away")
	}
	plugintest.WithoutRights(t)
	e := event{"the clock of CPU 0", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CPU_CLOCK, 0, &scale{num: 1, den: 1}}
	fd, err := e.open(realKernel())
	if err == nil {
		_ = unix.Close(fd)
		t.Skip("kernel.perf_event_paranoid lets everybody count")
	}
	if statusOf(err) != statusNoPermission || !strings.Contains(fmt.Sprint(err), "PERFMON") {
		t.Errorf("%v, want one about the capability", err)
	}
}
