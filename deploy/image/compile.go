package main

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// platforms are those that images are built for, and what their programs say in ELF.
func platforms() map[string]elf.Machine {
	return map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}
}

// compile builds the agent of a checkout into a file, with nothing in it of the folder, of
// the machine, or of the settings of who builds it.
func compile(ctx context.Context, source, platform string, from origin, file string) error {
	if _, known := platforms()[platform]; !known {
		return fmt.Errorf("the platform %q is not known: want linux/amd64 or linux/arm64", platform)
	}
	system, architecture, _ := strings.Cut(platform, "/")
	file, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("find the folder to work in: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", from.linked(), "-o", file, ".")
	cmd.Dir = source
	own := []string{"GOFLAGS", "GOEXPERIMENT", "GODEBUG", "GOROOT"}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(set string) bool {
		name, _, _ := strings.Cut(set, "=")
		return slices.Contains(own, name)
	}), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+architecture, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly", "GOFIPS140=off", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w: %s", source, platform, err, strings.TrimSpace(string(said)))
	}
	built, err := platformOf(file)
	if err == nil && built != platform {
		err = fmt.Errorf("what was built for %s is for %s", platform, built)
	}
	return err
}

// linked are the linker's flags, among them what "podjoule version" says of the origin.
func (from origin) linked() string {
	return "-s -w -X main.version=" + from.version + " -X main.commit=" + from.revision + " -X main.date=" + from.created.Format(time.RFC3339)
}

// platformOf tells what a program runs on. It has to need nothing else: there is nothing
// else in the image.
func platformOf(file string) (string, error) {
	program, err := elf.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the program %s: %w", file, err)
	}
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	if err != nil {
		return "", fmt.Errorf("read what %s is linked with: %w", file, err)
	}
	if slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) || len(libraries) > 0 {
		return "", fmt.Errorf("%s is linked with shared libraries, and the image has none: build it with CGO_ENABLED=0", file)
	}
	for platform, machine := range platforms() {
		if program.Machine == machine {
			return platform, nil
		}
	}
	return "", fmt.Errorf("%s is for %v: want linux/amd64 or linux/arm64", file, program.Machine)
}
