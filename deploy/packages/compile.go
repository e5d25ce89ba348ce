package main

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// architectures are those that packages are for, and what their programs say in ELF.
func architectures() map[elf.Machine]string {
	return map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}
}

// architectureOf tells for what a program is, in Go's words.
func architectureOf(program string) (string, error) {
	file, err := elf.Open(program)
	if err != nil {
		return "", fmt.Errorf("read the program %s: %w", program, err)
	}
	defer file.Close()
	architecture, known := architectures()[file.Machine]
	if !known {
		return "", fmt.Errorf("%s is for %v: want amd64 or arm64", program, file.Machine)
	}
	return architecture, nil
}

// compile builds the program for this machine as goreleaser does.
func (r *release) compile(ctx context.Context, source string, g *commit, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("find the folder to work in: %w", err)
	}
	b := r.Builds[0]
	ldflags, err := g.expand(strings.Join(b.Ldflags, " "))
	if err != nil {
		return err
	}
	args := append(append([]string{"build"}, b.Flags...), "-ldflags="+ldflags, "-o", file, ".")
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = source
	// Of variables that are there twice the last one counts.
	cmd.Env = append(append(os.Environ(), b.Env...), "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOAMD64="+strings.Join(b.AMD64, ""), "GOARM64="+strings.Join(b.ARM64, ""))
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", source, err, strings.TrimSpace(string(said)))
	}
	return nil
}
