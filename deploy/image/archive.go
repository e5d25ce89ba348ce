package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// write puts the parts into one index, and that into an archive. It returns the digest by
// which a registry will know the image.
func (o *order) write(work string, parts []part) (v1.Hash, error) {
	full, tag, err := fullName(o.name)
	if err != nil {
		return v1.Hash{}, err
	}
	var index v1.ImageIndex = empty.Index
	var last v1.Image
	for _, p := range parts {
		if last, err = p.image(o.plain); err != nil {
			return v1.Hash{}, err
		}
		platform, err := v1.ParsePlatform(p.platform)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("parse the platform %q: %w", p.platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: last, Descriptor: v1.Descriptor{Platform: platform}})
	}
	folder := filepath.Join(work, "layout")
	all, err := layout.Write(folder, empty.Index)
	if err == nil {
		err = all.AppendIndex(index, layout.WithAnnotations(map[string]string{
			"io.containerd.image.name":          full, // for containerd
			"org.opencontainers.image.ref.name": tag,
		}))
	}
	if err == nil && len(parts) == 1 {
		err = writeDockersManifest(folder, full, last)
	}
	if err == nil {
		err = pack(folder, o.file, parts[0].from.time())
	}
	if err != nil {
		return v1.Hash{}, fmt.Errorf("write the image to %s: %w", o.file, err)
	}
	return index.Digest()
}

// fullName is a name with the registry in it, as container runtimes know it: for podjoule:dev
// it is docker.io/library/podjoule:dev. It returns the tag too.
func fullName(short string) (full, tag string, err error) {
	parsed, err := name.NewTag(short)
	if err != nil {
		return "", "", fmt.Errorf("the image's name %q: %w", short, err)
	}
	// The library has the name of the server, and runtimes that of its pages.
	return strings.Replace(parsed.Name(), name.DefaultRegistry+"/", "docker.io/", 1), parsed.TagStr(), nil
}

// writeDockersManifest adds what "docker load" looks for where images are not containerd's.
// It has no word for platforms.
func writeDockersManifest(folder string, full string, img v1.Image) error {
	config, err := img.ConfigName()
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	blob := func(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }
	entry := struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{Config: blob(config), RepoTags: []string{full}}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		entry.Layers = append(entry.Layers, blob(digest))
	}
	text, err := json.Marshal([]any{entry})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "manifest.json"), text, 0o644)
}

// pack writes a folder to an archive, in the order of the names. What was there before is
// replaced once all is written.
func pack(folder, file string, at time.Time) (err error) {
	temporary := file + ".part"
	out, err := os.Create(temporary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(temporary)) }()
	w := tar.NewWriter(out)
	err = fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		return add(w, folder, name, entry, at)
	})
	if err = errors.Join(err, w.Close(), out.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// add copies one file or folder into an archive.
func add(w *tar.Writer, folder, name string, entry fs.DirEntry, at time.Time) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o644, Size: info.Size(), ModTime: at, Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}
	if entry.IsDir() {
		header.Name, header.Mode, header.Size, header.Typeflag = strings.TrimSuffix(header.Name, "/")+"/", 0o755, 0, tar.TypeDir
		return w.WriteHeader(header)
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	in, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}

// remove has a file gone, if it is there.
func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
