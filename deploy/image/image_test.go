package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// Two people who build the same source have the same image, to the byte, wherever it lies,
// and whatever their own settings are.
func TestTwoBuildsOneDigest(t *testing.T) {
	first, one := made(t, append(order1(), "-source", checkout(t, "one"))...)
	t.Setenv("GOFLAGS", "-tags=another -buildvcs=true")
	t.Setenv("CGO_ENABLED", "1")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("TZ", "Asia/Tokyo")
	second, two := made(t, append(order1(), "-source", checkout(t, "another folder"))...)
	firstDigest, _, _ := strings.Cut(first, " ")
	secondDigest, _, _ := strings.Cut(second, " ")
	if firstDigest != secondDigest || !strings.HasPrefix(firstDigest, "sha256:") {
		t.Errorf("the digests are %q and %q", firstDigest, secondDigest)
	}
	if !bytes.Equal(read(t, one), read(t, two)) {
		t.Error("the archives differ")
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		bill := func(file string) []byte {
			return read(t, strings.TrimSuffix(file, ".tar")+"-"+architecture+".cdx.json")
		}
		if diff := cmp.Diff(string(bill(one)), string(bill(two))); diff != "" {
			t.Errorf("the lists of what is in it differ:\n%s", diff)
		}
		checkBill(t, bill(one), "v1.2.3")
	}
	checkIndex(t, one)
}

// checkIndex looks at all that the archive of the agent says and has.
func checkIndex(t *testing.T, file string) {
	t.Helper()
	all, told := index(t, file)
	if err := validate.Index(all); err != nil {
		t.Errorf("the image is not sound: %v", err)
	}
	want(t, "annotations", map[string]string{
		"io.containerd.image.name": "docker.io/library/podjoule:dev", "org.opencontainers.image.ref.name": "dev",
	}, told.Annotations)
	found := images(t, all)
	machines := map[string]string{"linux/amd64": "amd64", "linux/arm64": "arm64"}
	if len(found) != len(machines) {
		t.Errorf("the image is for %d platforms, want %d", len(found), len(machines))
	}
	for platform, architecture := range machines {
		img, ok := found[platform]
		if !ok {
			t.Errorf("there is no image for %s", platform)
			continue
		}
		checkConfig(t, img, architecture)
		checkFiles(t, img, platform)
		if kind, err := img.MediaType(); err != nil || kind != types.OCIManifestSchema1 {
			t.Errorf("%s: the manifest is %s, %v", platform, kind, err)
		}
	}
}

func want(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func checkConfig(t *testing.T, img v1.Image, architecture string) {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1782900000, 0).UTC()
	if config.OS != "linux" || config.Architecture != architecture || !config.Created.Equal(at) {
		t.Errorf("the image is for %s/%s, of %v", config.OS, config.Architecture, config.Created)
	}
	want(t, "configuration", v1.Config{
		User: "65534:65534", Entrypoint: []string{"/podjoule"}, ExposedPorts: map[string]struct{}{"9464/tcp": {}},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "podjoule",
			"org.opencontainers.image.description": "CPU time, memory and energy of every pod of a Kubernetes node",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.url":         "https://github.com/podjoule/podjoule",
			"org.opencontainers.image.source":      "https://github.com/podjoule/podjoule",
			"org.opencontainers.image.version":     "v1.2.3",
			"org.opencontainers.image.revision":    "0123456789abcdef0123456789abcdef01234567",
			"org.opencontainers.image.created":     at.Format(time.RFC3339),
		},
	}, config.Config)
}

// A scan of the image finds one program and certificates, and nothing that anybody but
// root could write.
func checkFiles(t *testing.T, img v1.Image, platform string) {
	t.Helper()
	var names []string
	for _, e := range filesOf(t, img) {
		names = append(names, e.header.Name)
		if e.header.Uid != 0 || e.header.Gid != 0 || e.header.Mode&0o22 != 0 || e.header.Mode&^0o777 != 0 {
			t.Errorf("%s belongs to %d:%d, with mode %o", e.header.Name, e.header.Uid, e.header.Gid, e.header.Mode)
		}
		switch e.header.Name {
		case "podjoule":
			checkProgram(t, e.content, platform)
		case "licenses/LICENSE":
			want(t, "LICENSE", string(read(t, "../../LICENSE")), string(e.content))
		case "licenses/licenses.txt":
			for _, part := range []string{"Go go", "k8s.io/client-go v", rootsModule + " v"} {
				if !bytes.Contains(e.content, []byte("\n"+part)) {
					t.Errorf("there is no license of %s", part)
				}
			}
		}
	}
	want(t, "files", []string{"etc/", "etc/ssl/", "etc/ssl/certs/", "etc/ssl/certs/ca-certificates.crt",
		"licenses/", "licenses/LICENSE", "licenses/licenses.txt", "podjoule"}, names)
}

// checkProgram looks at what the program says of its own building.
func checkProgram(t *testing.T, content []byte, platform string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "podjoule")
	if err := os.WriteFile(file, content, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := platformOf(file); err != nil || got != platform {
		t.Errorf("the program is for %q, %v, want %q", got, err, platform)
	}
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" || strings.HasPrefix(s.Key, "vcs") || s.Key == "CGO_ENABLED" && s.Value != "0" || s.Key == "GOAMD64" && s.Value != "v1" {
			t.Errorf("the program was built with %s=%s", s.Key, s.Value)
		}
	}
	if here, err := os.Getwd(); err != nil || bytes.Contains(content, []byte(filepath.Dir(filepath.Dir(here)))) || bytes.Contains(content, []byte(os.TempDir()+"/Test")) {
		t.Errorf("the folder that it was built in is in the program (%v)", err)
	}
	if platform == runtime.GOOS+"/"+runtime.GOARCH {
		version, err := program(t, file, "version")
		for _, want := range []string{"v1.2.3", "0123456789abcdef0123456789abcdef01234567", "2026-07-01T10:00:00Z"} {
			if err != nil || !strings.Contains(version, want) {
				t.Errorf("podjoule version: %q, %v, want %s in it", version, err, want)
			}
		}
	}
}

// checkBill compares the list of what is in the image with go.mod.
func checkBill(t *testing.T, text []byte, version string) {
	t.Helper()
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	main := bom.Metadata.Component
	if main.Name != "github.com/podjoule/podjoule" || main.Version != version {
		t.Errorf("it tells of %s %s", main.Name, main.Version)
	}
	refs := make(map[string]string) // versions by name
	for _, c := range *bom.Components {
		if refs[c.Name] != "" || c.Version == "" || c.PackageURL == "" {
			t.Errorf("%s %s is there twice, or lacks something", c.Name, c.Version)
		}
		refs[c.Name] = c.Version
	}
	mod := string(read(t, "../../go.mod"))
	for _, name := range []string{"k8s.io/client-go", "github.com/BurntSushi/toml", "google.golang.org/grpc"} {
		if !strings.Contains(mod, "\t"+name+" "+refs[name]+"\n") {
			t.Errorf("it has %s %q, which is not go.mod's", name, refs[name])
		}
	}
	if !strings.Contains(string(read(t, "go.mod")), rootsModule+" "+refs[rootsModule]+"\n") {
		t.Errorf("it has the authorities of %q, which are not go.mod's", refs[rootsModule])
	}
	if "go"+refs["std"] != strings.Fields(runtime.Version())[0] {
		t.Errorf("it has Go %q, want %s", refs["std"], runtime.Version())
	}
	if _, test := refs["github.com/google/go-cmp"]; test {
		t.Error("it has a module that only tests need")
	}
}

// One platform alone is what Docker takes too, and a program that is there already is
// packed as it is.
func TestPackAProgram(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "pause")
	copySelf(t, binary)
	_, file := made(t, "-binary", binary, "-plain", "-user", "", "-name", "localhost/pause:e2e", "one", "two")
	all, told := index(t, file)
	if err := validate.Index(all, validate.Fast); err != nil { // of layers it reads those alone that are compressed
		t.Errorf("the image is not sound: %v", err)
	}
	want(t, "name", "localhost/pause:e2e", told.Annotations["io.containerd.image.name"])
	img := images(t, all)["linux/"+runtime.GOARCH]
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want(t, "configuration", v1.Config{Entrypoint: []string{"/pause", "one", "two"}}, config.Config)
	files := filesOf(t, img)
	if last := files[len(files)-1]; last.header.Name != "pause" || !bytes.Equal(last.content, read(t, binary)) {
		t.Errorf("the last file is %s, and not the program as it was", last.header.Name)
	}

	folder := unpack(t, file)
	var docker []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(read(t, filepath.Join(folder, "manifest.json")), &docker); err != nil {
		t.Fatal(err)
	}
	if len(docker) != 1 || !slices.Equal(docker[0].RepoTags, []string{"localhost/pause:e2e"}) || len(docker[0].Layers) != 1 {
		t.Fatalf("Docker is told %+v", docker)
	}
	raw, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, filepath.Join(folder, docker[0].Config)), raw) {
		t.Error("Docker is told of another configuration")
	}
	if got := entries(t, bytes.NewReader(read(t, filepath.Join(folder, docker[0].Layers[0])))); len(got) != len(files) {
		t.Errorf("Docker is told of %d files, want %d", len(got), len(files))
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "image-"+runtime.GOARCH+".cdx.json")); err == nil {
		t.Error("there is a list of what is in it, which nobody knows of a program that came as it is")
	}
}
