package csv

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// nameLayout is the time in the name of a file that was rotated: all of one
// length, so that the order of the names is that of the files' ages, and without
// colons, which some file systems do not take.
const nameLayout = "20060102T150405.000000000Z"

// rotation decides when the file at a path makes room for a new one, and knows
// those that did so before.
type rotation struct {
	size  int64         // bytes of a file at most, where several batches are in it; 0: any
	every time.Duration // a file is within one multiple of it; 0: any
	keep  int           // rotated files at most; 0: any number
	gzip  bool

	// first is the time of the file's first row; zero where it has none.
	first time.Time
	// dir, stem and ext are the parts of the path.
	dir, stem, ext string
	// made has a token after each rotation.
	made chan struct{}
}

func newRotation(c *Config, path string) *rotation {
	ext := filepath.Ext(path)
	return &rotation{
		size: int64(c.RotateBytes), every: time.Duration(c.RotateEvery), keep: c.Keep, gzip: c.Gzip,
		dir: filepath.Dir(path), stem: strings.TrimSuffix(filepath.Base(path), ext), ext: ext,
		made: make(chan struct{}, 1),
	}
}

// due tells whether rows that end at a time belong in a new file.
func (r *rotation) due(size int64, header, rows int, end time.Time) bool {
	if size <= int64(header) {
		return false // the file has no rows
	}
	if r.size > 0 && size+int64(rows) > r.size {
		return true
	}
	return r.every > 0 && !r.first.IsZero() && !r.first.Truncate(r.every).Equal(end.Truncate(r.every))
}

// began takes the time of the file's first row.
func (r *rotation) began(end time.Time) {
	if r.first.IsZero() {
		r.first = end
	}
}

// rotate gives the file at the path its name of a rotated one. What is at the
// path afterwards is made by whoever writes there next.
func (r *rotation) rotate(path string, end time.Time) error {
	rotated, err := r.rotated()
	if err != nil {
		return err
	}
	at := end.UTC()
	// A clock that was set back must not change the order.
	if n := len(rotated); n > 0 && !rotated[n-1].at.Before(at) {
		at = rotated[n-1].at.Add(1)
	}
	if err := os.Rename(path, filepath.Join(r.dir, r.name(at))); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	r.first = time.Time{}
	select {
	case r.made <- struct{}{}:
	default:
	}
	return nil
}

func (r *rotation) name(at time.Time) string { return r.stem + "-" + at.Format(nameLayout) + r.ext }

// rotatedFile is a file that was rotated, plain or compressed.
type rotatedFile struct {
	name string // without the ending of compressed files
	at   time.Time
	// plain and zipped tell which of the two there is.
	plain, zipped bool
}

const (
	zippedExt = ".gz"
	partExt   = ".gz.part"
)

// rotated lists the rotated files, the oldest first. Other files are left out.
func (r *rotation) rotated() ([]rotatedFile, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("look for rotated files: %w", err)
	}
	var files []rotatedFile
	for _, entry := range entries {
		name, zipped := strings.CutSuffix(entry.Name(), zippedExt)
		at, ok := r.parse(name)
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		if n := len(files); n > 0 && files[n-1].name == name { // the plain one sorts before the compressed one
			files[n-1].zipped = files[n-1].zipped || zipped
			continue
		}
		files = append(files, rotatedFile{name: name, at: at, plain: !zipped, zipped: zipped})
	}
	slices.SortStableFunc(files, func(a, b rotatedFile) int { return a.at.Compare(b.at) })
	return files, nil
}

// parse returns the time in a rotated file's name.
func (r *rotation) parse(name string) (time.Time, bool) {
	text, ok := strings.CutPrefix(name, r.stem+"-")
	if !ok || len(text) != len(nameLayout)+len(r.ext) || !strings.HasSuffix(text, r.ext) {
		return time.Time{}, false
	}
	at, err := time.Parse(nameLayout, strings.TrimSuffix(text, r.ext))
	return at, err == nil && r.name(at) == name
}

// firstRow returns the time of the first row of a file that has the header,
// which may be cut short; zero where there is no row, and the time of the file's
// last change where the row does not tell.
func firstRow(f io.ReaderAt, info fs.FileInfo, header string) (time.Time, error) {
	if info.Size() <= int64(len(header)) {
		return time.Time{}, nil
	}
	rows := bufio.NewReaderSize(io.NewSectionReader(f, int64(len(header)), int64(len(timeLayout))), len(timeLayout))
	cell, err := rows.ReadString(',')
	if err != nil && !errors.Is(err, io.EOF) {
		return time.Time{}, fmt.Errorf("read the first row: %w", err)
	}
	at, err := time.Parse(timeLayout, strings.TrimSuffix(cell, ","))
	if err != nil {
		return info.ModTime(), nil
	}
	return at, nil
}
