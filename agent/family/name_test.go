package family

import (
	"strings"
	"testing"

	"github.com/prometheus/common/model"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

func TestName(t *testing.T) {
	f := func(name string, unit measure.Unit, kind measure.Kind, want string) {
		t.Helper()
		if got := Name(&measure.Metric{Name: name, Unit: unit, Kind: kind}); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	f("cpu_time_delta", measure.Nanosecond, measure.Delta, "podjoule_cpu_time_seconds_total")
	f("container_cpu_time_delta", measure.Nanosecond, measure.Delta, "podjoule_container_cpu_time_seconds_total")
	f("cpu_percent", measure.Percent, measure.Gauge, "podjoule_cpu_percent")
	f("cpu_usage", measure.Percent, measure.Gauge, "podjoule_cpu_usage_percent")
	f("memory_usage", measure.Byte, measure.Gauge, "podjoule_memory_usage_bytes")
	f("cgroup_memory_anonymous", measure.Byte, measure.Gauge, "podjoule_cgroup_memory_anonymous_bytes")
	f("pod_energy", measure.Microjoule, measure.Delta, "podjoule_pod_energy_joules_total")
	f("rapl_consumed_energy", measure.Microjoule, measure.Delta, "podjoule_rapl_consumed_energy_joules_total")
	f("energy_unattributed", measure.Microjoule, measure.Delta, "podjoule_energy_unattributed_joules_total")
	f("io_read_bytes_delta", measure.Byte, measure.Delta, "podjoule_io_read_bytes_total")
	f("cpu_pressure_some_total", measure.Nanosecond, measure.Delta, "podjoule_cpu_pressure_some_seconds_total")
	f("io_pressure_full_total", measure.Nanosecond, measure.Delta, "podjoule_io_pressure_full_seconds_total")
	f("container_memory_pressure_some_total", measure.Nanosecond, measure.Delta, "podjoule_container_memory_pressure_some_seconds_total")
	f("cpu_throttled_time_delta", measure.Nanosecond, measure.Delta, "podjoule_cpu_throttled_time_seconds_total")
	f("io_bytes_delta", measure.Byte, measure.Delta, "podjoule_io_bytes_total")
	f("io_operations_delta", measure.One, measure.Delta, "podjoule_io_operations_total")
	f("memory_page_faults_delta", measure.One, measure.Delta, "podjoule_memory_page_faults_total")
	f("memory_max", measure.Byte, measure.Gauge, "podjoule_memory_max_bytes")
	f("pids_current", measure.One, measure.Gauge, "podjoule_pids_current")
	f("throttled_periods_delta", measure.One, measure.Delta, "podjoule_throttled_periods_total")
	f("pids", measure.One, measure.Gauge, "podjoule_pids")
	f("cpu_request", measure.Millicore, measure.Gauge, "podjoule_cpu_request_cores")
	f("memory_request", measure.Byte, measure.Gauge, "podjoule_memory_request_bytes")
	f("uptime", measure.Nanosecond, measure.Gauge, "podjoule_uptime_seconds")
}

func FuzzToLabel(f *testing.F) {
	for _, seed := range []string{"", "label:app.kubernetes.io/name", "1st", "__meta", "ü", "annotation:a-b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		got := toLabel(key)
		if !model.LegacyValidation.IsValidLabelName(got) || strings.HasPrefix(got, model.ReservedLabelPrefix) {
			t.Fatalf("%q becomes %q, which is no label name", key, got)
		}
		if err := CheckLabels([]string{key}, plugin.Renames{key: got}); err != nil && got != resourceKind && got != resourceID {
			t.Errorf("following the advice for %q: %v", key, err)
		}
	})
}
