package cgroup

import (
	"errors"
	"path/filepath"
)

// aside are the files of one group that a Reader holds besides those of CPU
// time and memory. It is empty until the group is read for the first time.
type aside []file

// files returns the group's files, by the order of their names.
func (r *Reader) files(group *aside, c controller, names []string) aside {
	if *group == nil {
		dir := filepath.Join(c.dir, r.path)
		for _, name := range names {
			*group = append(*group, newFile(dir, name))
		}
	}
	return *group
}

// parseAside is parse for a file without which a cgroup can live: its controller
// may be off, or have no folder for the cgroup, as the version 2 tree of a
// hybrid node. Whether the cgroup is gone is told by CPU time and memory.
func (r *Reader) parseAside(f *file, buf *Buffer, parse func(text []byte) error) error {
	err := r.parse(f, buf, parse)
	if err != nil && errors.Is(err, ErrGone) {
		_ = f.absent() // so that it is not looked for at each reading
		return nil
	}
	return err
}

// limit reads a file that holds a number, or says that there is no limit.
func (r *Reader) limit(f *file, buf *Buffer, into *Value) error {
	return r.parseAside(f, buf, func(text []byte) (err error) {
		*into, err = parseLimit(text)
		return err
	})
}

func (r *Reader) closeAside(group aside) {
	for i := range group {
		r.h.budget.close(&group[i].handle)
	}
}
