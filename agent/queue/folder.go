package queue

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxBody bounds what is read of a file, in bytes: a damaged one may say anything.
const maxBody = 64 << 20

// lockName is the file that a process holds locked while it uses the folder. The
// kernel unlocks it when the process ends, in whichever way.
const lockName = "lock"

// folder keeps each entry in a file of its own, compressed with gzip, whose checksum
// and length tell a torn or damaged one. The file's name has the rest:
//
//	<number, which gives the order>-<time in ms since 1970>-<points>.gz
//
// Files are not synced: they outlive the process in whichever way it ends, but what
// was written in the seconds before the machine itself fails may be torn.
type folder struct {
	dir  string
	lock *os.File
	zip  *gzip.Writer
	put  func(path string, data []byte, mode fs.FileMode) error
}

// errDamaged tells a file that is not what was written.
var errDamaged = errors.New("the file is damaged")

func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the queue: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("use the folder of the queue: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errors.New("another output or another agent uses it: give each a folder of its own")
		}
		return nil, errors.Join(fmt.Errorf("lock the folder %s: %w", dir, err), lock.Close())
	}
	// Only a level that does not exist makes an error.
	zip, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	return &folder{dir: dir, lock: lock, zip: zip, put: os.WriteFile}, nil
}

func (f *folder) close() error { return f.lock.Close() }

// list returns the entries that are there, in order. Other files are left alone.
func (f *folder) list() ([]*entry, error) {
	files, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("list the folder of the queue: %w", err)
	}
	var all []*entry
	for _, file := range files {
		e, ok := parseName(file.Name())
		if !ok || !file.Type().IsRegular() {
			continue
		}
		info, err := file.Info()
		if err != nil {
			return nil, fmt.Errorf("list the folder of the queue: %w", err)
		}
		e.size = int(info.Size())
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	return all, nil
}

// nameOf returns the name of an entry's file.
func nameOf(e *entry) string {
	return fmt.Sprintf("%016x-%d-%d.gz", e.number, e.since.UnixMilli(), e.points)
}

// parseName reads the name of a file, and reports false for one of no entry.
func parseName(name string) (*entry, bool) {
	parts := strings.Split(strings.TrimSuffix(name, ".gz"), "-")
	if len(parts) != 3 {
		return nil, false
	}
	number, err := strconv.ParseUint(parts[0], 16, 64)
	since, err2 := strconv.ParseInt(parts[1], 10, 64)
	points, err3 := strconv.ParseUint(parts[2], 10, 31)
	if err != nil || err2 != nil || err3 != nil {
		return nil, false
	}
	e := &entry{points: int(points), since: time.UnixMilli(since), number: number, file: name}
	return e, nameOf(e) == name
}

// write makes the file of an entry. Where it fails, it leaves none.
func (f *folder) write(e *entry) (name string, size int, err error) {
	var body bytes.Buffer
	f.zip.Reset(&body)
	if _, err := f.zip.Write(e.body); err != nil {
		return "", 0, fmt.Errorf("compress an entry: %w", err)
	}
	if err := f.zip.Close(); err != nil {
		return "", 0, fmt.Errorf("compress an entry: %w", err)
	}
	name = nameOf(e)
	path := filepath.Join(f.dir, name)
	if err := f.put(path, body.Bytes(), 0o600); err != nil {
		if gone := os.Remove(path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return "", 0, fmt.Errorf("keep an entry: %w", err)
	}
	return name, body.Len(), nil
}

// read returns the body in a file, or an error where it is not what was written.
func (f *folder) read(name string) (body []byte, err error) {
	file, err := os.Open(filepath.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read an entry: %w: %w", errDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read an entry: %w", err)
	}
	defer file.Close()
	if body, err = unzip(file); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", filepath.Join(f.dir, name), errDamaged, err)
	}
	return body, nil
}

// unzip reads one compressed body and nothing after it.
func unzip(from io.Reader) ([]byte, error) {
	zip, err := gzip.NewReader(from)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(zip, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("it has more than %d bytes", maxBody)
	}
	if err != nil {
		return nil, err
	}
	return body, nil
}

// remove deletes the file of an entry.
func (f *folder) remove(name string) error {
	err := os.Remove(filepath.Join(f.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an entry: %w", err)
	}
	return nil
}
