package main

import (
	"bytes"
	"crypto/x509"
	"debug/elf"
	"encoding/binary"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// program runs one and returns what it printed.
func program(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// copySelf makes a static program: a small one, of this machine's platform.
func copySelf(t *testing.T, file string) {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "go.mod"), "module small\n\ngo 1.26\n")
	write(t, filepath.Join(folder, "main.go"), "package main\n\nfunc main() {}\n")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", file, ".")
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build a program: %v: %s", err, said)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is wrong is told with its name and what helps, and leaves no archive behind.
func TestWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	good, text, other, shared := filepath.Join(folder, "good"), filepath.Join(folder, "text"), filepath.Join(folder, "other"), filepath.Join(folder, "shared")
	copySelf(t, good)
	write(t, text, "#!/bin/sh\n")
	content := read(t, good)
	write(t, other, string(edited(content, 18, uint16(elf.EM_RISCV))))
	write(t, shared, string(withInterpreter(t, content)))
	broken := filepath.Join(folder, "broken")
	if err := os.Mkdir(broken, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(broken, "go.mod"), "module broken\n\ngo 1.26\n")
	write(t, filepath.Join(broken, "main.go"), "package main\n\nfunc main() { nonsense() }\n")

	f := func(want []string, args ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "image.tar")
		var out, errs bytes.Buffer
		err := run(t.Context(), append([]string{"-o", file}, args...), &out, &errs)
		if err == nil {
			t.Errorf("image %v: no error, want %q", args, want)
			return
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("image %v: %v, want %q in it", args, err, part)
			}
		}
		if left, _ := filepath.Glob(file + "*"); len(left) > 0 {
			t.Errorf("image %v left %v", args, left)
		}
	}
	f([]string{"nosuch"}, "-nosuch")
	f([]string{`"extra"`, "-binary"}, "extra")
	f([]string{"-list", "-binary"}, "-list", filepath.Join(folder, "list.json"))
	f([]string{"absent"}, "-binary", filepath.Join(folder, "absent"))
	f([]string{text}, "-binary", text)
	f([]string{other, "linux/amd64 or linux/arm64"}, "-binary", other)
	f([]string{shared, "CGO_ENABLED=0"}, "-binary", shared)
	f([]string{`"UPPER:a b"`}, "-binary", good, "-name", "UPPER:a b")
	f([]string{"plan9/amd64", "linux/arm64"}, append(order1(), "-platforms", "plan9/amd64")...)
	f([]string{"nonsense", broken}, append(order1(), "-source", broken, "-platforms", "linux/amd64")...)
	f([]string{"-version", "-revision", "-created", broken}, "-source", broken)
	f([]string{`"v1 -X main.main=1"`}, "-version", "v1 -X main.main=1", "-revision", "x", "-created", "1")
	f([]string{`"x -X main.main=1"`}, "-version", "v1", "-revision", "x -X main.main=1", "-created", "1")
	f([]string{`"yesterday"`, "SOURCE_DATE_EPOCH"}, "-version", "v1", "-revision", "x", "-created", "yesterday")
	f([]string{`"-1"`, "seconds"}, "-version", "v1", "-revision", "x", "-created", "-1")
	f([]string{"nosuch"}, "-binary", good, "-o", filepath.Join(folder, "nosuch", "image.tar"))
	taken := filepath.Join(folder, "taken.tar") // by a folder
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	f([]string{taken}, "-binary", good, "-o", taken)
	if left, _ := filepath.Glob(taken + "?*"); len(left) > 0 {
		t.Errorf("an archive that could not be finished left %v", left)
	}
}

// edited is a program with another number at a place.
func edited(program []byte, at int, number uint16) []byte {
	other := bytes.Clone(program)
	binary.LittleEndian.PutUint16(other[at:], number)
	return other
}

// withInterpreter is a program whose first segment names a loader, as that of a program
// with shared libraries does.
func withInterpreter(t *testing.T, program []byte) []byte {
	t.Helper()
	first := int(binary.LittleEndian.Uint64(program[32:])) // e_phoff of ELF64
	return edited(program, first, uint16(elf.PT_INTERP))
}

// What git says of a checkout is what the image says.
func TestOriginIsGits(t *testing.T) {
	folder := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", folder, "-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=1700000000 +0900", "GIT_CONFIG_GLOBAL="+os.DevNull)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet")
	write(t, filepath.Join(folder, "file"), "1")
	git("add", "file")
	git("commit", "--quiet", "--message", "one")
	git("tag", "v0.9.0")
	head := git("rev-parse", "HEAD")
	f := func(o order, want origin, at int64) {
		t.Helper()
		o.source = folder
		got, err := o.origin(t.Context())
		if err != nil || got.version != want.version || got.revision != want.revision || got.created.Unix() != at || got.created.Location().String() != "UTC" {
			t.Errorf("got %+v, %v, want %+v at %d", got, err, want, at)
		}
	}
	f(order{}, origin{version: "v0.9.0", revision: head}, 1700000000)
	f(order{epoch: "5"}, origin{version: "v0.9.0", revision: head}, 5)
	f(order{from: origin{version: "v7", revision: "r"}}, origin{version: "v7", revision: "r"}, 1700000000)
	write(t, filepath.Join(folder, "file"), "2")
	f(order{}, origin{version: "v0.9.0-dirty", revision: head}, 1700000000)
}

// The authorities are those of the module, but for those with a condition.
func TestRoots(t *testing.T) {
	text, err := roots()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	for rest := text; len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatal("the file has more than certificates")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !certificate.IsCA && certificate.Version >= 3 {
			t.Errorf("%v: is it an authority? (%v)", certificate.Subject, err)
		}
		got[string(block.Bytes)] = true
	}
	conditions := 0
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			conditions++
		}
		if got[string(root.Certificate)] != (root.Constraint == nil) {
			t.Errorf("an authority is there: %v, has a condition: %v", got[string(root.Certificate)], root.Constraint != nil)
		}
	}
	if len(got) < 50 || conditions == 0 {
		t.Errorf("%d authorities, and %d with a condition: is this the module that is meant?", len(got), conditions)
	}
	if pool := x509.NewCertPool(); !pool.AppendCertsFromPEM(text) {
		t.Error("Go reads no certificate in it")
	}
}
