package simnode

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
)

// role is the variable that makes the test binary play another part.
const role = "SIMNODE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "burner":
		if err := Burn(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "node":
		if err := runNode(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// burnerCommand is a command line that makes the test binary a burner.
func burnerCommand(t testing.TB) []string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return burnerLine(self)
}

// burnerLine spares a binary with the race detector its pause at the end.
func burnerLine(self string) []string {
	return []string{"/usr/bin/env", role + "=burner", "GORACE=atexit_sleep_ms=0", self}
}

// runNode starts a node with processes, prints its cgroup directory and its
// processes' number, and goes on until it is killed.
func runNode() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	n, err := Start(context.Background(), Options{
		Mode: Real, Command: burnerLine(self),
		Root: os.Getenv("SIMNODE_TEST_ROOT"),
		Script: []ScriptedPod{
			{PodTemplate: PodTemplate{Namespace: "a", Name: "one", Containers: []string{"x", "y"}}, Loads: map[string]Load{"x": Steady(0.05, 0)}},
			{PodTemplate: PodTemplate{Namespace: "a", Name: "two", QoS: "Burstable"}},
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(n.place.(*Cgroups).Run())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
