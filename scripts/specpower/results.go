package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"
)

// maxWatts is what no thread of a server of a micro-architecture in the lists takes: above it the
// number of threads is wrong, or the server is too old to say anything about those of today.
const maxWatts = 15

// machine is one published result: a server, measured as a whole.
type machine struct {
	cpu        []string // the words of the CPU's description
	idle, full float64  // W for each hardware thread
}

// results are all results that can be used, and why others were left out.
type results struct {
	machines []machine
	rows     int
	left     map[string]int // by reason
}

// readResults reads the published results.
func readResults(input fs.FS, name string) (*results, error) {
	f, err := input.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows := csv.NewReader(f)
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("read the header of %s: %w", name, err)
	}
	column := make(map[string]int)
	for i, title := range header {
		column[title] = i
	}
	for _, title := range titles() {
		if _, known := column[title]; !known {
			return nil, fmt.Errorf("%s has no column %q", name, title)
		}
	}
	all := &results{left: make(map[string]int)}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		all.rows++
		m, reason := machineOf(row, column)
		if reason != "" {
			all.left[reason]++
			continue
		}
		all.machines = append(all.machines, m)
	}
}

const (
	titleCPU            = "CPU Description"
	titleThreads        = "Total Threads"
	titleCores          = "# Cores"
	titleThreadsPerCore = "# Threads Per Core"
	titleIdle           = "avg. watts @ active idle"
	titleFull           = "avg. watts @ 100%"
)

func titles() []string {
	return []string{titleCPU, titleThreads, titleCores, titleThreadsPerCore, titleIdle, titleFull}
}

// machineOf returns the machine of a row, or why it cannot be used.
func machineOf(row []string, column map[string]int) (m machine, reason string) {
	number := func(title string) float64 {
		n, err := strconv.ParseFloat(row[column[title]], 64)
		if err != nil || math.IsInf(n, 0) || n <= 0 {
			return math.NaN()
		}
		return n
	}
	threads, cores, each := number(titleThreads), number(titleCores), number(titleThreadsPerCore)
	idle, full := number(titleIdle)/threads, number(titleFull)/threads
	switch {
	case math.IsNaN(idle + full + cores + each):
		return m, "a number is missing or not above 0"
	case threads != cores*each:
		return m, "the numbers of cores and threads contradict each other"
	case idle >= full:
		return m, "idle takes no less than full load"
	case full >= maxWatts:
		return m, fmt.Sprintf("%d W or more for each thread", maxWatts)
	}
	return machine{words(row[column[titleCPU]]), idle, full}, ""
}
