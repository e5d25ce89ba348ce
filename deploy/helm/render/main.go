// Render prints what the chart makes of values, as "helm template" does, without helm:
//
//	go run ./render [-name NAME] [-namespace NAMESPACE] [-combinations] [VALUES.yaml...]
//
// With -combinations it prints every object once that some combination of the schema's
// examples makes of these values. Combinations that the chart refuses are left out.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"

	"github.com/podjoule/podjoule/deploy/helm"
)

func main() {
	var release helm.Release
	flag.StringVar(&release.Name, "name", "podjoule", "the release's `NAME`")
	flag.StringVar(&release.Namespace, "namespace", "podjoule", "its `NAMESPACE`")
	folder := flag.String("chart", "podjoule", "the chart's `FOLDER`")
	combinations := flag.Bool("combinations", false, "print the objects of all combinations of the schema's examples")
	flag.Parse()
	if err := run(*folder, release, *combinations, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(folder string, release helm.Release, combinations bool, files []string) error {
	chart, err := helm.Load(folder)
	if err != nil {
		return err
	}
	values, err := read(files)
	if err != nil {
		return err
	}
	var objects []helm.Object
	if combinations {
		objects, err = chart.Every(release, values)
	} else {
		var rendered *helm.Rendered
		if rendered, err = chart.Render(release, values); err == nil {
			objects = rendered.Objects
		}
	}
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, object := range objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("write %s %s: %w", object.Kind(), object.Name(), err)
		}
		out.WriteString("---\n" + string(text))
	}
	_, err = os.Stdout.WriteString(out.String())
	return err
}

// read merges values files; later ones are stronger.
func read(files []string) (map[string]any, error) {
	all := map[string]any{}
	for _, file := range files {
		text, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		values, err := loader.LoadValues(text)
		_ = text.Close()
		if err != nil {
			return nil, fmt.Errorf("read the values in %s: %w", file, err)
		}
		all = loader.MergeMaps(all, values)
	}
	return all, nil
}
