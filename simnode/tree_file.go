package simnode

import (
	"fmt"
	"os"
	"path/filepath"
)

// quantity is what a file tells; the file is rewritten when that changes.
type quantity uint8

const (
	nothing quantity = iota // written once
	cpuTime
	memoryUse
	processCount
	cpuSet
)

// fileKind is one kind of file that every cgroup of a hierarchy has.
type fileKind struct {
	name string
	of   quantity
	text func(g *group, b []byte) []byte
}

// filesOf returns the files of a cgroup in one hierarchy. The first ones are
// those that a reader looks for first.
func filesOf(version Version, hierarchy string, root bool) []fileKind {
	switch hierarchy {
	case "cpuacct":
		return []fileKind{
			{"cpuacct.usage", cpuTime, textUsage}, {"cpuacct.usage_user", cpuTime, textUsageUser},
			{"cpuacct.usage_sys", cpuTime, textUsageSys}, {"cpuacct.stat", cpuTime, textCPUAcctStat},
			{"cpuacct.usage_percpu", cpuTime, textUsagePerCPU},
			{"cgroup.procs", nothing, textProcs},
		}
	case "cpu":
		return []fileKind{{"cpu.stat", nothing, textThrottling}, {"cgroup.procs", nothing, textProcs}}
	case "memory":
		return []fileKind{
			{"memory.usage_in_bytes", memoryUse, textMemoryUsage}, {"memory.stat", memoryUse, textMemoryStatV1},
			{"cgroup.procs", nothing, textProcs},
		}
	}
	stat, controllers := textCPUStat, textControllers
	if version == Hybrid {
		stat, controllers = textCPUStatBare, textNothing
	}
	files := []fileKind{{"cpu.stat", cpuTime, stat}, {"cgroup.controllers", nothing, controllers}, {"cgroup.procs", nothing, textProcs}}
	if version == V2 {
		files = append(files, fileKind{"memory.stat", memoryUse, textMemoryStat}, fileKind{"cpuset.cpus.effective", cpuSet, textCPUSet})
	}
	if root {
		return files
	}
	if version == V2 {
		files = append(files, fileKind{"memory.current", memoryUse, textMemoryUsage})
	}
	return append(files, fileKind{"cgroup.events", processCount, textEvents})
}

// liveFile is a file whose readers keep it open: it is never replaced, and
// what they read is always whole.
type liveFile struct {
	fileKind
	file *os.File
	size int
}

// createLive makes a file that holds its text from the moment it can be seen.
func createLive(path string, kind fileKind, g *group) (*liveFile, error) {
	// The file is written under another name first, since one that is not yet
	// written would read as empty.
	staged := filepath.Join(filepath.Dir(path), "."+kind.name)
	file, err := os.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	f := &liveFile{fileKind: kind, file: file}
	if err := f.update(g); err != nil {
		file.Close()
		return nil, err
	}
	if err := os.Rename(staged, path); err != nil {
		file.Close()
		return nil, err
	}
	return f, nil
}

// update writes the text in place, with one write, and cuts the file when the
// text got shorter.
func (f *liveFile) update(g *group) error {
	text := f.text(g, nil)
	if _, err := f.file.WriteAt(text, 0); err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	if len(text) < f.size {
		if err := f.file.Truncate(int64(len(text))); err != nil {
			return fmt.Errorf("cut %s: %w", f.name, err)
		}
	}
	f.size = len(text)
	return nil
}
