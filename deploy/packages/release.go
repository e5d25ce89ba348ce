package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/semver/v3"
	"github.com/goreleaser/nfpm/v2"
	"go.yaml.in/yaml/v3"
)

// releaseFile says what a release is made of, in the checkout's top folder.
const releaseFile = ".goreleaser.yaml"

// release is what .goreleaser.yaml says of versions, of the program and of packages. What
// goreleaser alone needs is not read.
type release struct {
	Snapshot struct {
		VersionTemplate string `yaml:"version_template"`
	} `yaml:"snapshot"`
	Builds []struct {
		Env     []string `yaml:"env"`
		Flags   []string `yaml:"flags"`
		Ldflags []string `yaml:"ldflags"`
		AMD64   []string `yaml:"goamd64"`
		ARM64   []string `yaml:"goarm64"`
	} `yaml:"builds"`
	Packages []yaml.Node `yaml:"nfpms"`
}

// packages is one entry of nfpms. Its keys are goreleaser's; those that are not here are
// refused, as a package would silently lack them.
type packages struct {
	ID           string        `yaml:"id"`
	IDs          []string      `yaml:"ids"`
	Name         string        `yaml:"package_name"`
	FileName     string        `yaml:"file_name_template"`
	Formats      []string      `yaml:"formats"`
	Release      string        `yaml:"release"`
	Section      string        `yaml:"section"`
	Priority     string        `yaml:"priority"`
	Vendor       string        `yaml:"vendor"`
	Homepage     string        `yaml:"homepage"`
	Maintainer   string        `yaml:"maintainer"`
	License      string        `yaml:"license"`
	Description  string        `yaml:"description"`
	Bindir       string        `yaml:"bindir"`
	MTime        string        `yaml:"mtime"`
	Contents     []content     `yaml:"contents"`
	Deb          nfpm.Deb      `yaml:"deb"`
	RPM          nfpm.RPM      `yaml:"rpm"`
	Overrides    map[string]of `yaml:"overrides"`
	Dependencies []string      `yaml:"dependencies"`
}

// content is a file of packages, whose fields goreleaser and nfpm call the same.
type content struct {
	Source      string `yaml:"src"`
	Destination string `yaml:"dst"`
	Type        string `yaml:"type"`
	Packager    string `yaml:"packager"`
	FileInfo    struct {
		Mode os.FileMode `yaml:"mode"`
	} `yaml:"file_info"`
}

// of is what packages of one format have besides.
type of struct {
	Scripts struct {
		PostInstall string `yaml:"postinstall"`
		PreRemove   string `yaml:"preremove"`
		PostRemove  string `yaml:"postremove"`
	} `yaml:"scripts"`
}

// readRelease reads the checkout's release file.
func readRelease(source string) (release, packages, error) {
	var r release
	var p packages
	file := filepath.Join(source, releaseFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return r, p, fmt.Errorf("read what a release is made of: %w; -source names a checkout of podjoule", err)
	}
	if err := yaml.Unmarshal(text, &r); err != nil {
		return r, p, fmt.Errorf("parse %s: %w", file, err)
	}
	if len(r.Builds) != 1 || len(r.Packages) != 1 {
		return r, p, fmt.Errorf("%s has %d builds and %d nfpms: want one of each", file, len(r.Builds), len(r.Packages))
	}
	// A node knows no strictness: aliases are written out in what is parsed once more.
	var entry any
	if err := r.Packages[0].Decode(&entry); err != nil {
		return r, p, fmt.Errorf("parse nfpms in %s: %w", file, err)
	}
	text, err = yaml.Marshal(entry)
	if err != nil {
		return r, p, fmt.Errorf("parse nfpms in %s: %w", file, err)
	}
	strict := yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	if err := strict.Decode(&p); err != nil {
		return r, p, fmt.Errorf("parse nfpms in %s: %w; deploy/packages has to learn what is new", file, err)
	}
	return r, p, nil
}

// expand fills in what git knows, as goreleaser does.
func (g *commit) expand(text string) (string, error) {
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"incpatch": nextPatch}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("parse the template %q: %w", text, err)
	}
	var out strings.Builder
	if err := t.Execute(&out, g); err != nil {
		return "", fmt.Errorf("fill in the template %q: %w", text, err)
	}
	return out.String(), nil
}

// nextPatch is 1.2.4 for 1.2.3.
func nextPatch(version string) (string, error) {
	v, err := semver.NewVersion(version)
	if err != nil {
		return "", fmt.Errorf("parse the version %q: %w", version, err)
	}
	return v.IncPatch().String(), nil
}
