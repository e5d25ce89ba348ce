package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// part is the image of one platform: a program, the authorities that it verifies servers
// with, the licenses of both, and nothing else.
type part struct {
	platform     string // as in linux/arm64
	name         string // of the program, which lies in /
	binary       []byte
	arguments    []string
	certificates []byte
	license      []byte // of the program itself
	licenses     []byte // of all that it is made of
	user         string
	port         string // empty for none
	from         origin // zero for a program that came as it is
}

// image puts the part together.
func (p *part) image(plain bool) (v1.Image, error) {
	layer, err := p.layer(plain)
	if err != nil {
		return nil, err
	}
	system, architecture, _ := strings.Cut(p.platform, "/")
	config := &v1.ConfigFile{
		OS: system, Architecture: architecture, Created: v1.Time{Time: p.from.created},
		RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{User: p.user, Entrypoint: append([]string{"/" + p.name}, p.arguments...), Labels: p.labels()},
	}
	if p.port != "" {
		config.Config.ExposedPorts = map[string]struct{}{p.port: {}}
	}
	img, err := mutate.ConfigFile(empty.Image, config)
	if err != nil {
		return nil, fmt.Errorf("configure the image for %s: %w", p.platform, err)
	}
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: p.from.created}, CreatedBy: "deploy/image"}})
	if err != nil {
		return nil, fmt.Errorf("fill the image for %s: %w", p.platform, err)
	}
	return mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON), nil
}

// labels are those of the OCI image specification that say where an image comes from.
func (p *part) labels() map[string]string {
	if p.from == (origin{}) {
		return nil
	}
	const place = "https://github.com/podjoule/podjoule"
	of := func(name string) string { return "org.opencontainers.image." + name }
	return map[string]string{
		of("title"):       p.name,
		of("description"): "CPU time, memory and energy of every pod of a Kubernetes node",
		of("licenses"):    "Apache-2.0",
		of("url"):         place,
		of("source"):      place,
		of("version"):     p.from.version,
		of("revision"):    p.from.revision,
		of("created"):     p.from.created.Format(time.RFC3339),
	}
}

// layer is the part's only one.
func (p *part) layer(plain bool) (v1.Layer, error) {
	files, err := p.files()
	if err != nil {
		return nil, fmt.Errorf("pack the files for %s: %w", p.platform, err)
	}
	if plain {
		return static.NewLayer(files, types.OCIUncompressedLayer), nil
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching)
	if err != nil {
		return nil, fmt.Errorf("compress the files for %s: %w", p.platform, err)
	}
	return layer, nil
}

// file is one of the image, or a folder where its name ends so.
type file struct {
	name    string
	mode    int64
	content []byte
}

// files is the archive of all files, which belong to root and can be written by nobody else.
func (p *part) files() ([]byte, error) {
	var all bytes.Buffer
	w := tar.NewWriter(&all)
	list := []file{
		{"etc/", 0o755, nil},
		{"etc/ssl/", 0o755, nil},
		{"etc/ssl/certs/", 0o755, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, p.certificates},
	}
	if p.licenses != nil {
		list = append(list, file{"licenses/", 0o755, nil}, file{"licenses/LICENSE", 0o644, p.license}, file{"licenses/licenses.txt", 0o644, p.licenses})
	}
	for _, f := range append(list, file{p.name, 0o755, p.binary}) {
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: p.from.time(), Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return all.Bytes(), err
}

// time is that of all files.
func (from origin) time() time.Time {
	if from.created.IsZero() {
		return time.Unix(0, 0)
	}
	return from.created
}
