package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// generated is where goreleaser finds what the program has written, from the top of the
// checkout.
const generated = "bin/packages"

// order is what the command line asks for.
type order struct {
	file    string // the package
	source  string // the checkout
	version string
	program string // instead of building one
}

// build makes one package and returns its SHA-256.
func (o *order) build(ctx context.Context) (string, error) {
	format := strings.TrimPrefix(filepath.Ext(o.file), ".")
	r, p, err := readRelease(o.source)
	if err != nil {
		return "", err
	}
	if !slices.Contains(p.Formats, format) {
		return "", fmt.Errorf("%s: want a file that ends with one of .%s", o.file, strings.Join(p.Formats, ", ."))
	}
	g, err := commitOf(ctx, o.source, o.version, r.Snapshot.VersionTemplate)
	if err != nil {
		return "", err
	}
	work, err := os.MkdirTemp("", "podjoule-packages-")
	if err != nil {
		return "", fmt.Errorf("make a folder to work in: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // what stays of it harms nothing
	if o.program == "" {
		o.program = filepath.Join(work, "podjoule")
		if err := r.compile(ctx, o.source, g, o.program); err != nil {
			return "", err
		}
	}
	made := filepath.Join(work, "files")
	if err := writeFiles(ctx, o.source, o.program, made); err != nil {
		return "", err
	}
	info, err := o.info(&p, g, format, made)
	if err != nil {
		return "", err
	}
	return writePackage(o.file, format, info)
}

// info puts together what nfpm packs, as goreleaser does.
func (o *order) info(p *packages, g *commit, format, made string) (*nfpm.Info, error) {
	architecture, err := architectureOf(o.program)
	if err != nil {
		return nil, err
	}
	said, err := g.expand(p.MTime)
	if err != nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339, said)
	if err != nil {
		return nil, fmt.Errorf("read mtime of nfpms: %w", err)
	}
	info := &nfpm.Info{
		Arch: architecture, Platform: "linux", Name: p.Name, Version: g.Version, Release: p.Release, Section: p.Section, Priority: p.Priority,
		Maintainer: p.Maintainer, Description: p.Description, Vendor: p.Vendor, Homepage: p.Homepage, License: p.License, MTime: at,
	}
	info.Depends, info.Deb, info.RPM = p.Dependencies, p.Deb, p.RPM
	if architecture == "amd64" {
		info.Deb.ArchVariant = "v1"
	}
	in := func(file string) string { return filepath.Join(o.source, file) }
	for _, c := range p.Contents {
		if c.Source != "" {
			if own, found := strings.CutPrefix(c.Source, generated+"/"); found {
				c.Source = filepath.Join(made, own)
			} else {
				c.Source = in(c.Source)
			}
		}
		info.Contents = append(info.Contents, &files.Content{
			Source: c.Source, Destination: c.Destination, Type: c.Type, Packager: c.Packager, FileInfo: &files.ContentFileInfo{Mode: c.FileInfo.Mode},
		})
	}
	info.Contents = append(info.Contents, &files.Content{
		Source: o.program, Destination: filepath.Join(p.Bindir, "podjoule"), FileInfo: &files.ContentFileInfo{Mode: 0o755, MTime: at},
	})
	scripts := p.Overrides[format].Scripts
	info.Scripts = nfpm.Scripts{PostInstall: in(scripts.PostInstall), PreRemove: in(scripts.PreRemove), PostRemove: in(scripts.PostRemove)}
	return nfpm.WithDefaults(info), nil
}

// writePackage writes it; what was there before is replaced once all is written.
func writePackage(file, format string, info *nfpm.Info) (digest string, err error) {
	packagers := map[string]nfpm.Packager{"deb": deb.Default, "rpm": rpm.DefaultRPM}
	temporary := file + ".part"
	out, err := os.Create(temporary)
	if err != nil {
		return "", fmt.Errorf("write the package: %w", err)
	}
	sum := sha256.New()
	err = packagers[format].Package(info, io.MultiWriter(out, sum))
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(temporary, file)
	}
	if err != nil {
		_ = os.Remove(temporary) // the error before says more
		return "", fmt.Errorf("write the package %s: %w", file, err)
	}
	return fmt.Sprintf("sha256:%x", sum.Sum(nil)), nil
}
