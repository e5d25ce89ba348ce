package cgroup

import (
	"encoding/binary"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// dir is a folder that may stay open to be listed again and again.
type dir struct {
	handle
	path string // on this machine
}

// subdir is an entry of a listing. Its name is valid until the next one.
type subdir struct {
	name  []byte
	inode uint64
}

// list calls visit for each folder in d, without allocation where d is open already.
// It leaves d open.
func (d *dir) list(b *budget, buf []byte, visit func(subdir)) error {
	d.first = true
	if !d.opened {
		if err := b.open(&d.handle, d.path, unix.O_DIRECTORY); err != nil {
			return fmt.Errorf("list %s: %w", d.path, err)
		}
	} else if _, err := unix.Seek(d.fd, 0, unix.SEEK_SET); err != nil {
		return fmt.Errorf("list %s: %w", d.path, err)
	}
	for {
		n, err := unix.ReadDirent(d.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", d.path, err)
		}
		if n == 0 {
			return nil
		}
		d.parse(buf[:n], visit)
	}
}

// Offsets in struct linux_dirent64, see getdents64(2).
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

// parse walks over the entries that the kernel wrote into buf.
func (d *dir) parse(buf []byte, visit func(subdir)) {
	for len(buf) > direntName {
		size := int(binary.NativeEndian.Uint16(buf[direntReclen:]))
		if size <= direntName || size > len(buf) {
			return
		}
		entry := buf[:size]
		buf = buf[size:]
		name := entry[direntName:]
		for i, c := range name {
			if c == 0 {
				name = name[:i]
				break
			}
		}
		if len(name) == 0 || string(name) == "." || string(name) == ".." {
			continue
		}
		switch entry[direntType] {
		case unix.DT_DIR:
		case unix.DT_UNKNOWN: // some file systems leave it to the caller
			var st unix.Stat_t
			if unix.Lstat(filepath.Join(d.path, string(name)), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
				continue
			}
		default:
			continue
		}
		visit(subdir{name: name, inode: binary.NativeEndian.Uint64(entry)})
	}
}
