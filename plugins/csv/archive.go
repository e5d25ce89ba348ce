package csv

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// archiveAgain is how long to wait before what failed is tried again.
const archiveAgain = time.Minute

// archive compresses rotated files and removes those that are too many, between
// ticks.
type archive struct {
	*rotation
	mu  sync.Mutex
	err error // of the last attempt
}

// run works after each rotation, and at the start for what an earlier run of the
// agent left unfinished.
func (a *archive) run(ctx context.Context) error {
	for {
		err := a.tidy(ctx)
		if ctx.Err() != nil {
			return nil // the next run of the agent goes on
		}
		a.mu.Lock()
		a.err = err
		a.mu.Unlock()
		again := time.NewTimer(archiveAgain)
		if err == nil {
			again.Stop()
		}
		select {
		case <-a.made:
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// ready returns what the last attempt failed with.
func (a *archive) ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// tidy removes the oldest files beyond those to keep, then compresses the rest.
// What cannot be done with one file does not keep it from the others.
func (a *archive) tidy(ctx context.Context) error {
	if err := a.removeParts(); err != nil {
		return err
	}
	files, err := a.rotated()
	if err != nil {
		return err
	}
	var errs []error
	if over := len(files) - a.keep; a.keep > 0 && over > 0 {
		for _, f := range files[:over] {
			errs = append(errs, a.remove(f))
		}
		files = files[over:]
	}
	for _, f := range files {
		if ctx.Err() == nil && f.plain {
			errs = append(errs, a.settle(ctx, f))
		}
	}
	return errors.Join(errs...)
}

func (a *archive) remove(f rotatedFile) error {
	var errs []error
	for name, there := range map[string]bool{f.name: f.plain, f.name + zippedExt: f.zipped} {
		if there {
			if err := os.Remove(filepath.Join(a.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove an old file: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// removeParts removes what a compression that was cut off has written. Its plain
// file is still there.
func (a *archive) removeParts() error {
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return fmt.Errorf("look for rotated files: %w", err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(strings.TrimPrefix(entry.Name(), "."), partExt)
		if _, ours := a.parse(name); !ok || !ours || entry.Name()[0] != '.' {
			continue
		}
		if err := os.Remove(filepath.Join(a.dir, entry.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a compressed file that is not whole: %w", err)
		}
	}
	return nil
}

// settle compresses a plain file, or only gives it its right name where that has
// happened already.
//
// At every moment the rows are in exactly one file that has a name: the compressed
// one is written whole under a hidden name, takes the place of the plain one under
// the plain one's name, and gets its own name then. A crash before the last step
// leaves a compressed file with a plain name, which its first bytes tell.
func (a *archive) settle(ctx context.Context, f rotatedFile) error {
	plain := filepath.Join(a.dir, f.name)
	zipped, err := isZipped(plain)
	if errors.Is(err, os.ErrNotExist) {
		return nil // somebody took it away
	}
	if err != nil || !zipped && !a.gzip {
		return err
	}
	if _, err := os.Lstat(plain + zippedExt); err == nil {
		return fmt.Errorf("%s is not compressed, since %s is there: remove one of the two", plain, filepath.Base(plain)+zippedExt)
	}
	if !zipped {
		if err := a.compress(ctx, plain); err != nil {
			return fmt.Errorf("compress %s: %w", plain, err)
		}
	}
	if err := os.Rename(plain, plain+zippedExt); err != nil {
		return fmt.Errorf("name a compressed file: %w", err)
	}
	return syncDir(a.dir)
}

// compress puts a compressed file in the place of a plain one. Where it fails, the
// plain one is as it was.
func (a *archive) compress(ctx context.Context, plain string) (err error) {
	in, err := os.Open(plain)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	part := filepath.Join(a.dir, "."+filepath.Base(plain)+partExt)
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	zip := gzip.NewWriter(out)
	_, err = io.Copy(zip, &cancelable{ctx: ctx, from: in})
	if err == nil {
		err = zip.Close()
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(part, plain)
}

// cancelable reads until a context ends. It lives as long as one copy.
type cancelable struct {
	ctx  context.Context
	from io.Reader
}

func (c *cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.from.Read(p)
}

// isZipped tells a gzip file by its first bytes, with which no header begins.
func isZipped(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	var magic [2]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return magic == [2]byte{0x1f, 0x8b}, nil
}

// syncDir makes sure that the names in a directory are on the disk.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
