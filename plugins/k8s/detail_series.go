package k8s

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// detailSeries are the series of one target for the groups besides CPU and memory.
type detailSeries struct {
	counters [detailCounters]*measure.Series
	gauges   [detailGauges]*measure.Series
	// Of devices, as far as there is room for their series, in the order of
	// details.devices.
	devices [][deviceCounters]*measure.Series
	names   []string
}

// newDetailSeries makes the series of the groups, but for those of devices, which
// come when the devices do. It returns nil where no group wants any.
func (s *source) newDetailSeries(t *target, made *series, m *detailMetrics) *detailSeries {
	if t.details == nil {
		return nil
	}
	d := new(detailSeries)
	for i, trait := range counterTraits() {
		if !wants(s.groups, trait.group) || i == oomKills && t.isPod() && !s.hierarchy.CountsOOMKills() {
			continue
		}
		attributes := made.attributes
		if trait.kind != "" {
			attributes = insertAttribute(attributes, keyKind, trait.kind)
		}
		d.counters[i] = made.add(t, m.counters[i], attributes)
	}
	for i, trait := range gaugeTraits() {
		if wants(s.groups, trait.group) {
			d.gauges[i] = made.add(t, m.gauges[i], made.attributes)
		}
	}
	return d
}

// missingDevices is how many devices of a target have no series.
func (t *target) missingDevices() int {
	if t.details == nil || t.series == nil {
		return 0
	}
	return len(t.details.devices) - len(t.series.details.devices)
}

// showDevices makes the series of the devices that have none, as far as there is
// room. It returns how many are left, and counts those that are left for the first
// time.
func (s *source) showDevices(t *target) (left int) {
	for left = t.missingDevices(); left > 0; left-- {
		if !s.ceiling.room(deviceCounters) {
			if fresh := left - t.details.refused; fresh > 0 {
				s.ceiling.refused.Add(context.Background(), int64(fresh*deviceCounters))
			}
			break
		}
		s.showDevice(t)
	}
	if t.details != nil {
		t.details.refused = left
	}
	return left
}

// showDevice makes the series of the first device that has none.
func (s *source) showDevice(t *target) {
	metrics := &s.levelOf(t).details
	d := t.series.details
	id := t.details.devices[len(d.devices)].Device
	name := s.deviceName(id)
	if slices.Contains(d.names, name) {
		name = id.String() // it has the name of one that was removed
	}
	d.names = append(d.names, name)
	attributes := insertAttribute(t.series.attributes, keyDevice, name)
	read := insertAttribute(attributes, keyDirection, "read")
	write := insertAttribute(attributes, keyDirection, "write")
	d.devices = append(d.devices, [deviceCounters]*measure.Series{
		readBytes:       t.series.add(t, metrics.ioBytes, read),
		writeBytes:      t.series.add(t, metrics.ioBytes, write),
		readOperations:  t.series.add(t, metrics.ioOperations, read),
		writeOperations: t.series.add(t, metrics.ioOperations, write),
	})
	s.ceiling.live += deviceCounters
}

// deviceName returns the kernel's name of a block device, such as "sda", or its
// number where the name cannot be seen.
func (s *source) deviceName(id cgroup.Device) string {
	to, err := os.Readlink(filepath.Join(s.sysfs, "dev/block", id.String()))
	if err != nil {
		return id.String()
	}
	return filepath.Base(to)
}

// emitDetails adds what is known of a target's details and was not emitted yet.
func (s *source) emitDetails(t *target, b *measure.Batch) {
	d := t.details
	if d == nil {
		return
	}
	if t.missingDevices() > t.details.refused && s.showDevices(t) > 0 {
		s.changed = true // the next tick tells that there is no room
	}
	memory := s.memoryDue || !t.lives()
	for i := range d.counters {
		if i < memoryCounters && !memory {
			continue
		}
		emitCounter(&d.counters[i], t.series.details.counters[i], t, b)
	}
	for i := range t.series.details.devices {
		for j := range d.devices[i].counters {
			emitCounter(&d.devices[i].counters[j], t.series.details.devices[i][j], t, b)
		}
	}
	for i := range d.gauges {
		g := &d.gauges[i]
		if !g.value.Known || t.series.details.gauges[i] == nil {
			continue
		}
		if now := t.lives() && g.fresh && (i >= memoryGauges || memory); now || !t.lives() && !g.shown {
			b.Uint(t.series.details.gauges[i], g.value.N)
			g.shown = true
		}
	}
}

// emitCounter adds what a counter counted, on the terms of emitCPU.
func emitCounter(c *counter, series *measure.Series, t *target, b *measure.Batch) {
	if series == nil || !hasWindow(b) || c.stale && t.lives() {
		return
	}
	if a, ok := c.take(b.End); ok {
		emitAmount(series, a, b)
	}
}
