// Package helm renders the chart in podjoule as helm does, for the tests and for whoever
// has no helm: the program in render.
package helm

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

// Release is where a chart is installed, and as what.
type Release struct {
	Name, Namespace string
	// Kubernetes is the version of the cluster, such as v1.33.0; "" is one that is new.
	Kubernetes string
}

// newKubernetes is a version that has all that the chart can use.
const newKubernetes = "v1.37.0"

// Chart is a chart that was read.
type Chart struct{ chart *chart.Chart }

// Load reads the chart in a folder.
func Load(folder string) (*Chart, error) {
	c, err := loader.LoadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read the chart in %s: %w", folder, err)
	}
	return &Chart{c}, nil
}

// Object is an object of Kubernetes, as the fields that it has.
type Object map[string]any

// Rendered is what a chart makes of values.
type Rendered struct {
	// Objects are in the order of their templates' names.
	Objects []Object
	// Notes is what helm prints after an install.
	Notes string
}

// Render checks values against the schema and makes the objects of the chart. Values are
// those beside the chart's own, as a values file has them; they are not changed. The
// error is what helm tells: of the schema, the path of each value that is wrong.
func (c *Chart) Render(release Release, values map[string]any) (*Rendered, error) {
	options := common.ReleaseOptions{Name: release.Name, Namespace: release.Namespace, Revision: 1, IsInstall: true}
	version, err := common.ParseKubeVersion(cmp.Or(release.Kubernetes, newKubernetes))
	if err != nil {
		return nil, fmt.Errorf("the version of Kubernetes: %w", err)
	}
	capabilities := *common.DefaultCapabilities
	capabilities.KubeVersion = *version
	all, err := util.ToRenderValues(c.chart, values, options, &capabilities)
	if err != nil {
		return nil, fmt.Errorf("the values: %w", err)
	}
	texts, err := engine.Render(c.chart, all)
	if err != nil {
		return nil, fmt.Errorf("render the chart: %w", err)
	}
	var r Rendered
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		switch {
		case path.Base(name) == "NOTES.txt":
			r.Notes = texts[name]
		case path.Ext(name) == ".yaml":
			objects, err := parse(texts[name])
			if err != nil {
				return nil, fmt.Errorf("what %s makes: %w", name, err)
			}
			r.Objects = append(r.Objects, objects...)
		}
	}
	return &r, nil
}

// parse reads the objects of a file. A key that is there twice is an error.
func parse(text string) ([]Object, error) {
	var all []Object
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		var o Object
		if err := yaml.UnmarshalStrict([]byte(document), &o); err != nil {
			return nil, err
		}
		if o == nil {
			continue // a template that makes nothing with these values
		}
		if o.Kind() == "" || o.Name() == "" {
			return nil, errors.New("an object without a kind or a name")
		}
		all = append(all, o)
	}
	return all, nil
}

// Kind is what kind of object it is; "" if it does not say.
func (o Object) Kind() string { kind, _ := o["kind"].(string); return kind }

// Name is the object's name; "" if it has none.
func (o Object) Name() string {
	metadata, _ := o["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	return name
}
