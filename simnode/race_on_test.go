//go:build race

package simnode

// raceDetector says that the race detector is on. It looks at every byte that a
// system call reads, in user mode, and so changes the share of system time.
const raceDetector = true
