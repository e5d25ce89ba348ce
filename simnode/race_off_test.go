//go:build !race

package simnode

const raceDetector = false
