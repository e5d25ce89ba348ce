package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// rootsModule is where the certificate authorities in the image come from.
const rootsModule = "golang.org/x/crypto/x509roots/fallback"

// imageBill lists what is in the image: the program and the authorities.
func imageBill(program string, from origin) ([]byte, error) {
	authorities, err := ownModule(rootsModule)
	if err != nil {
		return nil, err
	}
	return billOfMaterials(program, from, component(cyclonedx.ComponentTypeData, authorities.Path, authorities.Version))
}

// billOfMaterials lists, in CycloneDX, a program, the modules and the Go that it was built
// from, as the linker noted them in it, and what lies beside it.
func billOfMaterials(program string, from origin, beside ...cyclonedx.Component) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("read the modules in %s: %w", program, err)
	}
	main := component(cyclonedx.ComponentTypeApplication, info.Main.Path, from.version)
	parts := slices.Concat(beside, []cyclonedx.Component{component(cyclonedx.ComponentTypeLibrary, "std", strings.TrimPrefix(info.GoVersion, "go"))})
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		part := component(cyclonedx.ComponentTypeLibrary, module.Path, module.Version)
		if module.Sum != "" { // of a module that is replaced by a folder there is none
			part.Properties = &[]cyclonedx.Property{{Name: "go:sum", Value: module.Sum}}
		}
		parts = append(parts, part)
	}
	slices.SortFunc(parts, func(a, b cyclonedx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: from.created.Format(time.RFC3339), Component: &main}
	bom.Components = &parts
	var text bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&text, cyclonedx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).Encode(bom); err != nil {
		return nil, fmt.Errorf("write the list of modules: %w", err)
	}
	return text.Bytes(), nil
}

// component is a module, by its package URL: github.com/package-url/purl-spec.
func component(kind cyclonedx.ComponentType, path, version string) cyclonedx.Component {
	purl := "pkg:golang/" + path + "@" + url.QueryEscape(version) + "?type=module"
	return cyclonedx.Component{BOMRef: purl, Type: kind, Name: path, Version: version, PackageURL: purl}
}

// ownModule is one of the modules that this program was built from.
func ownModule(path string) (*debug.Module, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("this program does not know what it was built from: build it with the go command")
	}
	for _, module := range info.Deps {
		if module.Path == path {
			return module, nil
		}
	}
	return nil, fmt.Errorf("this program was not built from %s", path)
}
