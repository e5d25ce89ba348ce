package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/sassoftware/go-rpmutils"
)

// inside is what was found in a package.
type inside struct {
	fields  []string // "Name: value", in the package's order
	scripts map[string]string
	files   map[string]packedFile // by path; folders end with a slash
	debs    []string              // names of the parts of a package for Debian
}

// packedFile is one file or folder.
type packedFile struct {
	mode    int64 // permissions
	owner   string
	kind    string // "" or what packages say of it, as config
	at      int64  // seconds since 1970
	content []byte
}

func (p *inside) field(name string) string {
	for _, line := range p.fields {
		if key, value, _ := strings.Cut(line, ": "); key == name {
			return value
		}
	}
	return ""
}

// listing is a package as people review it, where versions and sizes are not told.
func (p *inside) listing(version string) string {
	var b strings.Builder
	for _, line := range p.fields {
		if !strings.HasPrefix(line, "Installed-Size: ") {
			fmt.Fprintln(&b, strings.ReplaceAll(line, version, "VERSION"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.scripts)) {
		fmt.Fprintf(&b, "script %s\n", name)
	}
	for _, path := range slices.Sorted(maps.Keys(p.files)) {
		f := p.files[path]
		fmt.Fprintf(&b, "%04o %s %s", f.mode, f.owner, path)
		if f.kind != "" {
			fmt.Fprintf(&b, " (%s)", f.kind)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// readDeb reads a package for Debian: deb(5).
func readDeb(file string) (*inside, error) {
	p := &inside{scripts: make(map[string]string), files: make(map[string]packedFile)}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	rest, found := bytes.CutPrefix(text, []byte("!<arch>\n"))
	for found && len(rest) > 0 {
		if len(rest) < 60 || string(rest[58:60]) != "`\n" {
			return nil, fmt.Errorf("%s: a header of ar is cut off", file)
		}
		name := strings.TrimRight(strings.TrimSpace(string(rest[:16])), "/")
		size, err := strconv.Atoi(strings.TrimSpace(string(rest[48:58])))
		if err != nil || size > len(rest)-60 {
			return nil, fmt.Errorf("%s: %s has the size %q", file, name, rest[48:58])
		}
		p.debs = append(p.debs, name)
		part := rest[60 : 60+size]
		switch name {
		case "debian-binary":
			if string(part) != "2.0\n" {
				return nil, fmt.Errorf("%s is of the format %q", file, part)
			}
		case "control.tar.gz":
			r, err := gzip.NewReader(bytes.NewReader(part))
			if err != nil {
				return nil, err
			}
			if err := p.readControl(r); err != nil {
				return nil, err
			}
		case "data.tar.zst":
			r, err := zstd.NewReader(bytes.NewReader(part))
			if err != nil {
				return nil, err
			}
			if err := p.readTar(r); err != nil {
				return nil, err
			}
		}
		rest = rest[60+size+size%2:]
	}
	if len(p.debs) != 3 {
		return nil, fmt.Errorf("%s has the parts %q", file, p.debs)
	}
	return p, nil
}

// readControl reads what dpkg is told of a package.
func (p *inside) readControl(r io.Reader) error {
	control := &inside{files: make(map[string]packedFile)}
	if err := control.readTar(r); err != nil {
		return err
	}
	for name, f := range control.files {
		name = strings.TrimPrefix(name, "/")
		text := string(f.content)
		switch name {
		case "control":
			p.fields = append(p.fields, strings.Split(strings.TrimSpace(text), "\n")...)
		case "conffiles":
			p.scripts["conffiles: "+strings.TrimSpace(text)] = text
		case "md5sums":
			p.scripts["md5sums"] = text
		default:
			if f.mode != 0o755 {
				return fmt.Errorf("the script %s has the mode %o", name, f.mode)
			}
			p.scripts[name] = text
		}
	}
	return nil
}

// readTar reads an archive of files.
func (p *inside) readTar(r io.Reader) error {
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeDir {
			return fmt.Errorf("%s is of the type %q", header.Name, header.Typeflag)
		}
		p.files[strings.TrimPrefix(header.Name, ".")] = packedFile{
			mode: header.Mode, owner: header.Uname + ":" + header.Gname, at: header.ModTime.Unix(), content: content,
		}
	}
}

// readRPM reads a package for RPM.
func readRPM(file string) (*inside, error) {
	p := &inside{scripts: make(map[string]string), files: make(map[string]packedFile)}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rpm, err := rpmutils.ReadRpm(f)
	if err != nil {
		return nil, err
	}
	for _, tag := range []struct {
		name   string
		number int
	}{
		{"Name", rpmutils.NAME},
		{"Version", rpmutils.VERSION},
		{"Release", rpmutils.RELEASE},
		{"Architecture", rpmutils.ARCH},
		{"System", rpmutils.OS},
		{"Summary", rpmutils.SUMMARY},
		{"License", rpmutils.LICENSE},
		{"Packager", rpmutils.PACKAGER},
		{"Vendor", rpmutils.VENDOR},
		{"URL", rpmutils.URL},
		{"Build host", rpmutils.BUILDHOST},
		{"Requires", rpmutils.REQUIRENAME},
		{"Provides", rpmutils.PROVIDENAME},
	} {
		values, err := rpm.Header.GetStrings(tag.number)
		if err == nil {
			p.fields = append(p.fields, tag.name+": "+strings.Join(values, ", "))
		}
	}
	for name, tag := range map[string]int{
		"pre": rpmutils.PREIN, "post": rpmutils.POSTIN, "preun": rpmutils.PREUN, "postun": rpmutils.POSTUN, "pretrans": 1151, "posttrans": 1152,
	} {
		if text, err := rpm.Header.GetString(tag); err == nil {
			p.scripts[name] = text
		}
	}
	return p, p.readPayload(rpm)
}

// readPayload reads the files of a package for RPM.
func (p *inside) readPayload(rpm *rpmutils.Rpm) error {
	reader, err := rpm.PayloadReaderExtended()
	if err != nil {
		return err
	}
	for {
		info, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := info.Name()
		if info.Mode()&0o170000 == 0o040000 {
			path = strings.TrimSuffix(path, "/") + "/"
		}
		f := packedFile{mode: int64(info.Mode() & 0o7777), owner: info.UserName() + ":" + info.GroupName(), at: int64(info.Mtime()), kind: kindOf(info.Flags())}
		if !reader.IsLink() && !strings.HasSuffix(path, "/") {
			if f.content, err = io.ReadAll(reader); err != nil {
				return err
			}
		}
		p.files[path] = f
	}
}

// kindOf names the flags that RPM has for a file.
func kindOf(flags int) string {
	var kinds []string
	for _, flag := range []struct {
		bit  int
		name string
	}{{1 << 0, "config"}, {1 << 1, "doc"}, {1 << 3, "missing ok"}, {1 << 4, "no replace"}, {1 << 6, "ghost"}, {1 << 7, "license"}, {1 << 8, "readme"}} {
		if flags&flag.bit != 0 {
			kinds = append(kinds, flag.name)
			flags &^= flag.bit
		}
	}
	if flags != 0 {
		kinds = append(kinds, fmt.Sprintf("%#x", flags))
	}
	return strings.Join(kinds, ", ")
}
