package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/podjoule/podjoule/deploy/licenses"
)

// built is what "podjoule version -o json" says.
type built struct {
	Version string    `json:"version"`
	Date    time.Time `json:"date"`
}

// writeFiles writes into a folder what packages and archives have of the program and of
// CHANGELOG.md: man pages, completion, changelogs, the notes of the release, and the licenses of
// all that the program is made of. Of two programs that goreleaser builds, the one that runs here is
// asked.
func writeFiles(ctx context.Context, source, program, folder string) error {
	architecture, err := architectureOf(program)
	if err != nil {
		return err
	}
	if architecture != runtime.GOARCH {
		return nil
	}
	program, err = filepath.Abs(program)
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	all, err := pages(ctx, program)
	if err != nil {
		return err
	}
	for shell, file := range map[string]string{"bash": "podjoule.bash", "fish": "podjoule.fish", "zsh": "_podjoule"} {
		script, err := output(ctx, program, "completion", shell)
		if err != nil {
			return err
		}
		all["completions/"+file] = script
	}
	if err := addChangelogs(ctx, all, source, program); err != nil {
		return err
	}
	if all["licenses.txt"], err = licenses.Of(ctx, source, program); err != nil {
		return err
	}
	// What an older build has written is not packed.
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("empty the folder of the package's files: %w", err)
	}
	for name, text := range all {
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("make the folder of the package's files: %w", err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return fmt.Errorf("write the package's files: %w", err)
		}
	}
	return nil
}

// pages returns the man pages, compressed.
func pages(ctx context.Context, program string) (map[string][]byte, error) {
	folder, err := os.MkdirTemp("", "podjoule-man-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for man pages: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // what stays of it harms nothing
	if _, err := output(ctx, program, "man", folder); err != nil {
		return nil, err
	}
	all := make(map[string][]byte)
	tree := os.DirFS(folder)
	names, err := fs.Glob(tree, "*")
	if err != nil {
		return nil, fmt.Errorf("list the man pages: %w", err)
	}
	for _, name := range names {
		page, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, fmt.Errorf("read a man page: %w", err)
		}
		if all["man/"+name+".gz"], err = compress(page); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// addChangelogs adds the changelog, the one of the package as Debian has it, and the notes of the
// release.
func addChangelogs(ctx context.Context, all map[string][]byte, source, program string) error {
	said, err := output(ctx, program, "version", "--output", "json")
	if err != nil {
		return err
	}
	var b built
	if err := json.Unmarshal(said, &b); err != nil {
		return fmt.Errorf("read what the program says of its version: %w", err)
	}
	if b.Date.IsZero() {
		return fmt.Errorf("the program of version %q does not know when its commit was made: link it with main.date, as %s does", b.Version, releaseFile)
	}
	text, err := os.ReadFile(filepath.Join(source, "CHANGELOG.md"))
	if err != nil {
		return fmt.Errorf("read the changelog: %w", err)
	}
	if all["changelog.gz"], err = compress(text); err != nil {
		return err
	}
	debian, err := debianChangelog(b)
	if err != nil {
		return err
	}
	if all["changelog.Debian.gz"], err = compress([]byte(debian)); err != nil {
		return err
	}
	all["notes.md"] = []byte(notes(string(text), strings.TrimPrefix(b.Version, "v")))
	return nil
}

// compress is gzip -9n: as small as can be, without name and time.
func compress(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	_, err = w.Write(text)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return out.Bytes(), nil
}

// output runs the program and returns what it prints.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	// Man pages are dated by the commit, also where somebody says another day.
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run podjoule %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out, nil
}
