package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// order1 are the flags that say what git would.
func order1() []string {
	return []string{"-version", "v1.2.3", "-revision", "0123456789abcdef0123456789abcdef01234567", "-created", "1782900000"}
}

// checkout copies the repository's files to a folder below a name.
func checkout(t *testing.T, name string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), name)
	source := os.DirFS("../..")
	err := fs.WalkDir(source, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".":
			for _, other := range []string{".git", "bin", "dist", "e2e", "deploy", "docs", "testdata"} {
				if entry.Name() == other {
					return fs.SkipDir
				}
			}
			return nil
		case !entry.Type().IsRegular() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(source, path)
		if err != nil {
			return err
		}
		file := filepath.Join(folder, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		return os.WriteFile(file, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// made runs the program, and returns what it printed and the archive's place.
func made(t *testing.T, args ...string) (printed, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "image.tar")
	var out, errs strings.Builder
	if err := run(t.Context(), append([]string{"-o", file}, args...), &out, &errs); err != nil {
		t.Fatalf("image %v: %v: %s", args, err, errs.String())
	}
	return out.String(), file
}

// entry is one file in an archive.
type entry struct {
	header  *tar.Header
	content []byte
}

// entries reads an archive, in its order.
func entries(t *testing.T, r io.Reader) []entry {
	t.Helper()
	var all []entry
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{header, content})
	}
}

// unpack unpacks an archive to a folder.
func unpack(t *testing.T, file string) string {
	t.Helper()
	folder := t.TempDir()
	for _, e := range entries(t, bytes.NewReader(read(t, file))) {
		place := filepath.Join(folder, filepath.FromSlash(e.header.Name))
		var err error
		if e.header.Typeflag == tar.TypeDir {
			err = os.Mkdir(place, 0o700)
		} else {
			err = os.WriteFile(place, e.content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// index opens the only image of an archive, and returns how it is told of too.
func index(t *testing.T, file string) (v1.ImageIndex, v1.Descriptor) {
	t.Helper()
	all, err := layout.ImageIndexFromPath(unpack(t, file))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := all.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 {
		t.Fatalf("the archive has %d images, want 1", len(manifest.Manifests))
	}
	one, err := all.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return one, manifest.Manifests[0]
}

// images are the images of an index by their platform.
func images(t *testing.T, all v1.ImageIndex) map[string]v1.Image {
	t.Helper()
	manifest, err := all.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]v1.Image)
	for _, d := range manifest.Manifests {
		if d.Platform == nil {
			t.Fatalf("%s is for no platform", d.Digest)
		}
		if found[d.Platform.String()], err = all.Image(d.Digest); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// filesOf are the files of an image.
func filesOf(t *testing.T, img v1.Image) []entry {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if len(layers) != 1 {
		t.Fatalf("the image has %d layers, want 1", len(layers))
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return entries(t, r)
}
