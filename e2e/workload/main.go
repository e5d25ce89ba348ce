// Command workload is the only program in the pods of the end-to-end tests. Its
// first argument says what it does:
//
//	pause        nothing, as the process of a pod's sandbox
//	burn [TIME]  use all the CPU time it gets, for ever or for a time
//	work         use half a percent of a processor
//	touch SIZE   on SIGUSR1, take so many bytes of anonymous memory and touch them all
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func main() {
	runtime.GOMAXPROCS(1)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "workload:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say what to do: pause, burn, work or touch")
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	switch args[0] {
	case "pause":
		<-end
		return nil
	case "burn":
		return burn(end, args[1:])
	case "work":
		return work(end)
	case "touch":
		return touch(end, args[1:])
	}
	return fmt.Errorf("unknown %q: want pause, burn, work or touch", args[0])
}

// burn counts until a signal or its time has come.
func burn(end <-chan os.Signal, args []string) error {
	var enough <-chan time.Time
	if len(args) > 0 {
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return fmt.Errorf("read how long to burn: %w", err)
		}
		enough = time.After(d)
	}
	x := uint32(1)
	defer func() { runtime.KeepAlive(x) }()
	for {
		select {
		case <-end:
			return nil
		case <-enough:
			return nil
		default:
		}
		x = count(x)
	}
}

// work counts for one of every 200 ms.
func work(end <-chan os.Signal) error {
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	x := uint32(1)
	defer func() { runtime.KeepAlive(x) }()
	for {
		for begin := time.Now(); time.Since(begin) < time.Millisecond; {
			x = count(x)
		}
		select {
		case <-end:
			return nil
		case <-pace.C:
		}
	}
}

// count takes a moment. Its result has to be used, so that the loop stays.
func count(x uint32) uint32 {
	for range 100_000 {
		x = x*1664525 + 1013904223
	}
	return x
}

// touch takes the memory when it is told to, and keeps it.
func touch(end <-chan os.Signal, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("touch: how many bytes?")
	}
	size, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("read how much to touch: %w", err)
	}
	now := make(chan os.Signal, 1)
	signal.Notify(now, syscall.SIGUSR1)
	select {
	case <-end:
		return nil
	case <-now:
	}
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return fmt.Errorf("take %d bytes of memory: %w", size, err)
	}
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1
	}
	<-end
	runtime.KeepAlive(b)
	return nil
}
