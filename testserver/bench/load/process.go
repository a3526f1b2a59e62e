package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// cpuTime returns the CPU time of a process's threads. Go programs do not end threads,
// so none is missing.
func cpuTime(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	if len(tasks) == 0 {
		return 0, fmt.Errorf("there is no process %d", pid)
	}
	var sum time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			return 0, err
		}
		on, _, _ := bytes.Cut(text, []byte(" "))
		ns, err := strconv.ParseInt(string(on), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// residentMemory returns the resident memory of a process in bytes. The kernel counts
// it exactly, page by page.
func residentMemory(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text, []byte("\nRss:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("smaps_rollup of process %d has no Rss", pid)
	}
	kilobytes, err := strconv.Atoi(string(fields[0]))
	return kilobytes << 10, err
}

// meter measures the resources that a process uses. Without a process it measures
// none.
type meter struct {
	pid   int
	start time.Time
	cpu   time.Duration
}

func startMeter(pid int) (*meter, error) {
	m := &meter{pid: pid}
	if pid != 0 {
		var err error
		if m.cpu, err = cpuTime(pid); err != nil {
			return nil, err
		}
	}
	m.start = time.Now()
	return m, nil
}

// stop returns the seconds that have passed and the seconds of CPU time used, -1 if
// there is no process.
func (m *meter) stop() (wall, cpu float64, err error) {
	wall, cpu = time.Since(m.start).Seconds(), -1
	if m.pid != 0 {
		now, err := cpuTime(m.pid)
		if err != nil {
			return 0, 0, err
		}
		cpu = (now - m.cpu).Seconds()
	}
	return wall, cpu, nil
}
